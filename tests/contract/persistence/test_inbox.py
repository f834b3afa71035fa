import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.support.samples import LATER, NOW


def add(unit_of_work, source, message_id):
    return unit_of_work.run(lambda transaction: transaction.inbox.add(source, message_id, NOW))


def test_a_message_is_new_once(store):
    assert add(store.unit_of_work, "engine", "1")
    assert not add(store.unit_of_work, "engine", "1")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "1"), ("b", "1")),
        (("a", "bc"), ("ab", "c")),
        (("a", "x"), ("a", "X")),
        (("a", "x"), ("a", "x ")),
        (("a", "é"), ("a", "e")),
        (("a", "x" * 5_000), ("a", "x" * 5_001)),
        (("a", ""), ("a", "\0")),
    ],
)
def test_messages_that_differ_at_all_are_different(store, one, other):
    assert add(store.unit_of_work, *one)
    assert add(store.unit_of_work, *other)


def test_a_transaction_that_meets_a_duplicate_goes_on(store):
    add(store.unit_of_work, "engine", "1")

    def work(transaction):
        return transaction.inbox.add("engine", "1", NOW), transaction.inbox.add("engine", "2", NOW)

    assert store.run(work) == (False, True)
    assert not add(store.unit_of_work, "engine", "2")


def test_of_many_deliveries_at_once_one_is_new(store):
    units_of_work = [store.unit_of_work, store.another()]
    barrier = threading.Barrier(8)

    def deliver(number):
        barrier.wait()
        return add(units_of_work[number % 2], "engine", "1")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(deliver, range(8))) == 1


def forget(store, before, limit=100):
    return store.run(lambda transaction: transaction.inbox.forget(before, limit))


def test_what_came_before_a_time_is_forgotten_and_the_rest_is_not(store):
    # Given messages of three times
    for age in range(3):
        at = NOW - timedelta(days=age)
        store.run(lambda transaction, at=at, age=age: transaction.inbox.add("engine", str(age), at))
    # When those from before the second are forgotten
    assert forget(store, NOW - timedelta(days=1)) == 1
    assert forget(store, NOW - timedelta(days=1)) == 0
    # Then only the third is new
    assert [add(store.unit_of_work, "engine", str(age)) for age in range(3)] == [False, False, True]


def test_no_more_than_asked_for_are_forgotten_at_once(store):
    for number in range(5):
        add(store.unit_of_work, "engine", str(number))

    assert [forget(store, LATER, limit=2) for _ in range(4)] == [2, 2, 1, 0]


def test_several_may_forget_at_once(store):
    for number in range(20):
        add(store.unit_of_work, "engine", str(number))
    units_of_work = [store.unit_of_work, store.another()]

    def forget_all(unit_of_work):
        total = 0
        while some := unit_of_work.run(lambda transaction: transaction.inbox.forget(LATER, 3)):
            total += some
        return total

    with ThreadPoolExecutor(2) as pool:
        total = sum(pool.map(forget_all, units_of_work))

    assert total + forget(store, LATER) == 20
