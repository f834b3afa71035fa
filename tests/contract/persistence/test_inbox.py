import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.samples import NOW


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
