"""Completions whose handling fails are retried or dead-lettered, and none is lost."""

import pytest
import redis

from adapters.dramatiq_queue import blocking_consumer, redis_broker
from adapters.dramatiq_queue.dead_letters import RedisDeadLetterStore
from adapters.dramatiq_queue.messages import COMPLETIONS
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from application.errors import DependencyUnavailable
from tests.support.processes import eventually
from tests.support.queue_messages import Handler, completion, on_the_wire, working
from tests.support.redis_server import redis_server

MAX_DEAD = 5


@pytest.fixture(scope="module")
def server():
    with redis_server() as server:
        yield server


@pytest.fixture
def broker(server, monkeypatch):
    monkeypatch.setattr(redis_broker, "MIN_BACKOFF_MS", 10)
    monkeypatch.setattr(redis_broker, "MAX_BACKOFF_MS", 50)
    monkeypatch.setattr(blocking_consumer, "MAX_DEAD", MAX_DEAD)
    server.flush()
    broker = RedisQueueBroker(server.url)
    yield broker
    broker.close()


@pytest.fixture
def dead_letters(broker):
    return RedisDeadLetterStore(broker)


@pytest.fixture
def send(broker):
    return lambda content: broker.enqueue(on_the_wire(content))


@pytest.fixture
def handler(broker):
    handler = Handler()
    with working(broker, handler, threads=1):
        yield handler


def test_there_are_none_at_first(dead_letters):
    assert dead_letters.latest(10) == []
    assert dead_letters.get("no such id") is None
    assert not dead_letters.requeue("no such id")


def test_a_message_whose_handler_raises_is_tried_once_and_set_aside_with_the_error(
    handler, send, dead_letters
):
    # When a poisonous message is handled, and then a wholesome one
    send(poison := completion(error="it is poison"))
    assert handler.next() == poison
    assert eventually(lambda: dead_letters.latest(10))
    send(wholesome := completion())
    assert handler.next() == wholesome
    # Then the first is among the dead letters, as it was
    (letter,) = dead_letters.latest(10)
    assert (letter.queue, letter.name, letter.body) == (COMPLETIONS, poison["name"], poison["body"])
    assert "RuntimeError: it is poison" in letter.error
    assert dead_letters.get(letter.id) == letter


def test_a_dead_letter_that_is_requeued_is_handled_as_if_it_were_new(handler, send, dead_letters):
    # Given a message that died
    send(poison := completion(error="it is poison"))
    handler.next()
    assert eventually(lambda: dead_letters.latest(10))
    (letter,) = dead_letters.latest(10)
    # When what made it fail is mended and it is requeued
    handler.raises = False
    assert dead_letters.requeue(letter.id)
    # Then it is handled, and no longer among the dead
    assert handler.next() == poison
    assert dead_letters.latest(10) == []
    assert not dead_letters.requeue(letter.id)


def test_a_dead_letter_that_fails_again_is_set_aside_again(handler, send, dead_letters):
    send(completion(error="it is poison"))
    handler.next()
    assert eventually(lambda: dead_letters.latest(10))
    dead_letters.requeue(dead_letters.latest(10)[0].id)
    handler.next()
    assert eventually(lambda: dead_letters.latest(10))


def test_those_that_died_last_come_first_and_no_more_than_are_asked_for(handler, send, dead_letters):
    for number in range(3):
        send(completion(error="poison", number=number))
        handler.next()
        assert eventually(lambda number=number: len(dead_letters.latest(10)) == number + 1)
    assert [letter.body["number"] for letter in dead_letters.latest(2)] == [2, 1]


@pytest.mark.usefixtures("handler")
def test_a_message_for_another_actor_is_set_aside(broker, dead_letters):
    broker.enqueue(on_the_wire(completion()).copy(actor_name="nobody"))
    assert eventually(lambda: dead_letters.latest(10))
    (letter,) = dead_letters.latest(10)
    assert "nobody" in letter.body["unreadable"]
    assert "KeyError" in letter.error
    assert dead_letters.requeue(letter.id)


def test_a_message_with_fields_that_are_not_known_is_handled(handler, broker):
    broker.enqueue(on_the_wire(sent := completion(number=1) | {"added_later": [1]}))
    assert handler.next() == sent


class Away:
    """A handler whose database is away, so many times."""

    def __init__(self, times):
        self.left = times
        self.handled = Handler()
        self.seen = []

    def __call__(self, message):
        self.seen.append(message)
        if self.left:
            self.left -= 1
            raise DependencyUnavailable("database", "it is away")
        self.handled(message)


def test_a_report_is_tried_again_until_what_was_away_is_back(broker, send, dead_letters):
    # Given a handler whose database is away for a while
    away = Away(times=3)
    with working(broker, away):
        # When a report comes
        send(sent := completion())
        # Then it is handled in the end
        assert away.handled.next() == sent
    assert dead_letters.latest(10) == []


def test_a_report_is_not_set_aside_however_often_a_dependency_was_away(broker, dead_letters):
    away = Away(times=1)
    with working(broker, away):
        # Given a report that has been tried for days
        sent = completion()
        broker.enqueue(on_the_wire(sent).copy(options={"retries": 10_000}))
        # Then it is tried once more
        assert away.handled.next() == sent
    assert dead_letters.latest(10) == []


def test_a_report_that_cannot_be_put_back_is_set_aside_and_not_lost(broker, dead_letters, monkeypatch):
    away, enqueue = Away(times=1), broker.enqueue
    with working(broker, away):
        # Given a queue that takes no message back
        with monkeypatch.context() as refusing:
            refusing.setattr(broker, "enqueue", refuse)
            # When a report comes that cannot be handled yet
            enqueue(on_the_wire(sent := completion()))
            assert eventually(lambda: dead_letters.latest(10))
        # Then it is among the dead letters, and can be requeued
        (letter,) = dead_letters.latest(10)
        assert letter.body == sent["body"]
        assert dead_letters.requeue(letter.id)
        assert away.handled.next() == sent


def refuse(*_message, **_delay):
    raise redis.ConnectionError("it is away")


def test_no_more_than_the_latest_are_kept(handler, send, dead_letters):
    for number in range(MAX_DEAD + 2):
        send(completion(error="poison", number=number))
        handler.next()
    expected = [MAX_DEAD + 1 - age for age in range(MAX_DEAD)]
    assert eventually(lambda: [letter.body["number"] for letter in dead_letters.latest(100)] == expected)
