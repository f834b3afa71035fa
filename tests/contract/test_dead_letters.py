"""Messages whose handling fails, in this process and on Redis."""

import pytest

from adapters.dramatiq_queue import broker as queue_settings
from adapters.dramatiq_queue.dead_letters import DramatiqDeadLetters
from adapters.dramatiq_queue.embedded import EmbeddedBroker
from adapters.dramatiq_queue.publisher import DramatiqPublisher
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.dramatiq_queue.routes import COMPLETIONS, EXECUTIONS, to_dramatiq
from adapters.in_process.event_feed import InProcessEventFeed
from application.errors import DependencyUnavailable
from tests.support.processes import eventually
from tests.support.redis_server import redis_server
from tests.support.work_messages import Handler, hint, report, working

MAX_DEAD = 5
LONGEST_BACKOFF_MS = 50


@pytest.fixture(scope="module")
def server():
    with redis_server() as server:
        yield server


@pytest.fixture
def quick(monkeypatch):
    """Messages are tried again at once."""
    monkeypatch.setattr(queue_settings, "MIN_BACKOFF_MS", 10)
    monkeypatch.setattr(queue_settings, "MAX_BACKOFF_MS", LONGEST_BACKOFF_MS)


@pytest.fixture(params=["embedded", "redis"])
def broker(request, quick):  # noqa: ARG001 - it must have been so when the broker is built
    if request.param == "embedded":
        yield EmbeddedBroker(max_dead=MAX_DEAD)
        return
    server = request.getfixturevalue("server")
    server.flush()
    broker = RedisQueueBroker(server.url, max_dead=MAX_DEAD)
    yield broker
    broker.close()


@pytest.fixture
def dead_letters(broker):
    return DramatiqDeadLetters(broker)


@pytest.fixture
def publish(broker):
    publisher = DramatiqPublisher(broker, InProcessEventFeed())
    return lambda *messages: publisher.publish(messages)


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
    handler, publish, dead_letters
):
    # When a poisonous message is handled, and then a wholesome one
    publish(poison := hint(error="it is poison"))
    assert handler.next() == poison
    assert eventually(lambda: dead_letters.latest(10))
    publish(wholesome := hint())
    assert handler.next() == wholesome
    # Then the first is among the dead letters, as it was
    (letter,) = dead_letters.latest(10)
    assert (letter.queue, letter.name, letter.body) == (EXECUTIONS, poison.name, poison.body)
    assert "RuntimeError: it is poison" in letter.error
    assert dead_letters.get(letter.id) == letter


def test_a_dead_letter_that_is_requeued_is_handled_as_if_it_were_new(handler, publish, dead_letters):
    # Given a message that died
    publish(poison := hint(error="it is poison"))
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


def test_a_dead_letter_that_fails_again_is_set_aside_again(handler, publish, dead_letters):
    publish(hint(error="it is poison"))
    handler.next()
    assert eventually(lambda: dead_letters.latest(10))
    dead_letters.requeue(dead_letters.latest(10)[0].id)
    handler.next()
    assert eventually(lambda: dead_letters.latest(10))


def test_those_that_died_last_come_first_and_no_more_than_are_asked_for(handler, publish, dead_letters):
    for number in range(3):
        publish(hint(error="poison", number=number))
        handler.next()
        assert eventually(lambda number=number: len(dead_letters.latest(10)) == number + 1)
    assert [letter.body["number"] for letter in dead_letters.latest(2)] == [2, 1]


def test_a_message_without_a_handler_is_set_aside(handler, broker, dead_letters):
    assert handler.handled.empty()
    broker.enqueue(to_dramatiq(hint(), EXECUTIONS).copy(actor_name="nobody"))
    assert eventually(lambda: dead_letters.latest(10))
    assert "nothing" in dead_letters.latest(10)[0].error


@pytest.mark.parametrize("fields", [{}, {"id": "no uuid", "name": "x", "body": {}}, {"name": 1, "body": "x"}])
def test_a_message_of_the_wrong_shape_is_set_aside(handler, broker, dead_letters, fields):
    broker.enqueue(to_dramatiq(hint(), EXECUTIONS).copy(kwargs=fields))
    assert eventually(lambda: dead_letters.latest(10))
    (letter,) = dead_letters.latest(10)
    assert isinstance(letter.body, dict)
    assert dead_letters.requeue(letter.id)
    assert handler.handled.empty()


def test_a_message_with_fields_that_are_not_known_is_handled(handler, broker):
    sent = hint(number=1)
    message = to_dramatiq(sent, EXECUTIONS)
    broker.enqueue(message.copy(kwargs={**message.kwargs, "added_later": [1]}))
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


def test_a_report_is_tried_again_until_what_was_away_is_back(broker, publish, dead_letters):
    # Given a handler whose database is away for a while
    away = Away(times=3)
    with working(broker, away):
        # When a report comes
        publish(sent := report())
        # Then it is handled in the end
        assert away.handled.next() == sent
    assert dead_letters.latest(10) == []


def test_a_report_is_not_set_aside_however_often_a_dependency_was_away(broker, dead_letters):
    away = Away(times=1)
    with working(broker, away):
        # Given a report that has been tried for days
        sent = report()
        broker.enqueue(to_dramatiq(sent, COMPLETIONS).copy(options={"retries": 10_000}))
        # Then it is tried once more
        assert away.handled.next() == sent
    assert dead_letters.latest(10) == []


def test_a_hint_is_dropped_where_a_dependency_is_away(broker, publish, dead_letters):
    # Given a handler whose database is away
    away = Away(times=1)
    with working(broker, away):
        # When a hint comes, and another one after the time in which the first would be tried again
        publish(first := hint())
        broker.enqueue(to_dramatiq(second := hint(), EXECUTIONS), delay=4 * LONGEST_BACKOFF_MS)
        # Then the first was tried once
        assert away.handled.next() == second
        assert away.seen == [first, second]
    assert dead_letters.latest(10) == []


def test_a_report_that_cannot_be_put_back_is_set_aside_and_not_lost(broker, dead_letters, monkeypatch):
    away, enqueue = Away(times=1), broker.enqueue
    with working(broker, away):
        # Given a queue that takes no message back
        with monkeypatch.context() as refusing:
            refusing.setattr(broker, "enqueue", refuse)
            # When a report comes that cannot be handled yet
            enqueue(to_dramatiq(sent := report(), COMPLETIONS))
            assert eventually(lambda: dead_letters.latest(10))
        # Then it is among the dead letters, and can be requeued
        (letter,) = dead_letters.latest(10)
        assert letter.body == sent.body
        assert dead_letters.requeue(letter.id)
        assert away.handled.next() == sent


def refuse(*_message, **_delay):
    raise DependencyUnavailable("queue", "it is away")


def test_no_more_than_the_latest_are_kept(handler, publish, dead_letters):
    for number in range(MAX_DEAD + 2):
        publish(hint(error="poison", number=number))
        handler.next()
    expected = [MAX_DEAD + 1 - age for age in range(MAX_DEAD)]
    assert eventually(lambda: [letter.body["number"] for letter in dead_letters.latest(100)] == expected)
