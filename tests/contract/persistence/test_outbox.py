import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from uuid import uuid4

from application.messages import Message
from domain.values import MessageId


def messages(count):
    return [
        Message(id=MessageId(uuid4()), name="JobCompleted", body={"n": n, "version": 1}) for n in range(count)
    ]


def add(store, added):
    store.run(lambda transaction: transaction.outbox.add(added))


def stale(store, longer_than_s=0.0, limit=100):
    return store.run(lambda transaction: transaction.outbox.fetch_stale(longer_than_s, limit))


def test_messages_come_back_as_they_were(store):
    body = {
        "version": 1,
        "text": "日本語 \U0001f600 \0 é",
        "number": 1.5,
        "nothing": None,
        "list": [{"a": True}],
    }
    message = Message(id=MessageId(uuid4()), name="JobCompleted", body=body)

    add(store, [message])

    assert stale(store) == [message]


def test_no_messages_are_no_error(store):
    add(store, [])
    store.run(lambda transaction: transaction.outbox.remove([]))

    assert stale(store) == []


def test_only_messages_that_have_been_there_long_enough_are_stale(store):
    old, new = messages(1), messages(1)
    add(store, old)
    store.pass_time(60)
    add(store, new)

    assert stale(store, longer_than_s=30) == old
    assert stale(store, longer_than_s=90) == []


def test_the_oldest_come_first_and_no_more_than_the_limit(store):
    batches = [messages(1) for _ in range(4)]
    for batch in batches:
        add(store, batch)
        store.pass_time(1)

    assert stale(store, limit=3) == [batch[0] for batch in batches[:3]]


def test_what_somebody_has_taken_is_left_to_him_for_as_long_as_it_was_to_who_added_it(store):
    # Given a message that is stale, and is taken
    add(store, added := messages(1))
    store.pass_time(60)
    assert stale(store, longer_than_s=30) == added
    # When others look for it, then it is not there for a while
    assert stale(store, longer_than_s=30) == []
    store.pass_time(29)
    assert stale(store, longer_than_s=30) == []
    # And then it is, for whoever took it has not published it
    store.pass_time(2)
    assert stale(store, longer_than_s=30) == added


def test_of_many_who_take_at_once_each_message_falls_to_one(store):
    # Given messages that are stale, and several processes
    added = messages(60)
    add(store, added)
    store.pass_time(60)
    units_of_work = [store.unit_of_work, store.another(), store.another(), store.another()]
    together = threading.Barrier(4)

    def take_all(unit_of_work):
        together.wait()
        taken = []
        while some := unit_of_work.run(lambda transaction: transaction.outbox.fetch_stale(30, 7)):
            taken += some
        return taken

    # When all of them take what there is
    with ThreadPoolExecutor(4) as pool:
        taken = list(chain.from_iterable(pool.map(take_all, units_of_work)))
    # Then none is taken twice, and none is left
    taken += stale(store, longer_than_s=30)
    assert sorted(message.id for message in taken) == sorted(message.id for message in added)


def test_removed_messages_are_gone_and_removing_them_again_is_no_error(store):
    first, second = messages(2)
    add(store, [first, second])

    for _ in range(2):
        store.run(lambda transaction: transaction.outbox.remove({first.id}))

    assert stale(store) == [second]


def test_a_thousand_messages_can_be_added_and_removed_at_once(store):
    many = messages(1_000)
    add(store, many)

    assert {message.id for message in stale(store, limit=2_000)} == {message.id for message in many}
    store.run(lambda transaction: transaction.outbox.remove([message.id for message in many]))
    assert stale(store) == []


def test_messages_from_before_the_clock_was_set_back_are_stale(store):
    added, taken = messages(1), messages(1)
    add(store, taken)
    store.pass_time(60)
    assert stale(store, longer_than_s=30) == taken
    add(store, added)
    assert stale(store, longer_than_s=30) == []

    store.pass_time(-600)

    assert set(map(id_of, stale(store, longer_than_s=30))) == set(map(id_of, added + taken))


def id_of(message):
    return message.id


def test_a_message_that_may_be_lost_is_offered_and_not_stored(store):
    wake_up = Message(id=MessageId(uuid4()), name="JobStarted", body={"version": 1})

    add(store, [wake_up])

    assert store.relay.offered == [wake_up]
    store.pass_time(60)
    assert stale(store, longer_than_s=30) == []
