"""Redis may lose everything, restart, or fall silent: the queue goes on when it is back."""

import json
import time

import pytest

from adapters.dramatiq_queue.dead_letters import DramatiqDeadLetters
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.dramatiq_queue.routes import EXECUTIONS, to_dramatiq
from application.errors import DependencyUnavailable
from tests.support.processes import eventually
from tests.support.work_messages import WITHIN_S, Handler, hint, working

QUEUE_KEY = f"service_server:{EXECUTIONS}"


@pytest.fixture
def handler(broker):
    handler = Handler()
    with working(broker, handler):
        yield handler


def publish_when_it_is_back(publisher, message):
    def try_to_publish():
        try:
            publisher.publish([message])
        except DependencyUnavailable:
            return False
        return True

    assert eventually(try_to_publish)


def test_messages_that_wait_may_be_lost_and_later_ones_are_handled(server, broker, publisher):
    # Given messages that wait in a Redis that is emptied
    publisher.publish([hint(), hint()])
    server.flush()
    # When a worker starts and another message comes
    handler = Handler()
    with working(broker, handler):
        publisher.publish([later := hint()])
        # Then that one is handled
        assert handler.next() == later


def test_a_worker_whose_messages_in_hand_were_lost_goes_on(server, handler, publisher):
    publisher.publish([hint(hold=True), hint(hold=True)])
    handler.next()
    handler.next()
    server.flush()
    handler.let_go.set()
    publisher.publish([later := hint()])
    assert handler.next() == later


def test_a_worker_and_a_publisher_outlive_a_restart(server, handler, publisher):
    publisher.publish([first := hint()])
    assert handler.next() == first
    server.restart()
    publish_when_it_is_back(publisher, second := hint())
    assert handler.next() == second


def test_a_worker_that_is_busy_while_redis_restarts_goes_on(server, handler, publisher):
    # Given a worker with both threads busy, whose acknowledgements nobody will take
    publisher.publish([hint(hold=True), hint(hold=True)])
    handler.next()
    handler.next()
    server.kill()
    handler.let_go.set()
    # When Redis is back
    server.start()
    # Then the next message is handled soon
    publish_when_it_is_back(publisher, later := hint())
    assert handler.next() == later


def test_a_worker_starts_before_redis_does(server, broker, publisher):
    server.kill()
    handler = Handler()
    with working(broker, handler):
        server.start()
        publish_when_it_is_back(publisher, sent := hint())
        assert handler.next() == sent


def test_a_redis_that_is_down_is_refused_at_once(server, publisher):
    server.kill()
    started_at = time.monotonic()
    for _ in range(10):
        with pytest.raises(DependencyUnavailable):
            publisher.publish([hint()])
    assert time.monotonic() - started_at < 0.5


def test_a_redis_that_is_silent_costs_one_caller_a_second_and_the_others_nothing(server, publisher):
    publisher.publish([hint()])
    with server.frozen():
        started_at = time.monotonic()
        for _ in range(10):
            with pytest.raises(DependencyUnavailable) as refusal:
                publisher.publish([hint()])
            assert server.url not in str(refusal.value)
        assert time.monotonic() - started_at < 2.5
    publish_when_it_is_back(publisher, hint())


def test_a_worker_outlives_a_silent_redis(server, handler, publisher):
    publisher.publish([first := hint()])
    assert handler.next() == first
    with server.frozen():
        time.sleep(2)  # longer than every timeout of a consumer
    publish_when_it_is_back(publisher, second := hint())
    assert handler.next() == second


def test_a_worker_stops_soon_though_redis_is_gone(server, broker, publisher):
    handler = Handler()
    with working(broker, handler) as worker:
        publisher.publish([hint()])
        handler.next()
        server.kill()
        started_at = time.monotonic()
        assert worker.stop(timeout_s=WITHIN_S)
        assert time.monotonic() - started_at < 3


def test_a_queue_that_is_full_refuses_and_takes_again_when_there_is_room(server):
    broker = RedisQueueBroker(server.url, max_waiting=3)
    for _ in range(3):
        broker.enqueue(to_dramatiq(hint(), EXECUTIONS))
    with pytest.raises(DependencyUnavailable, match="3 messages wait in it already"):
        broker.enqueue(to_dramatiq(hint(), EXECUTIONS))
    handler = Handler()
    with working(broker, handler):
        for _ in range(3):
            handler.next()
        broker.enqueue(to_dramatiq(hint(), EXECUTIONS))
        handler.next()
    broker.close()


def a_message(body=None, **changed):
    """Return a message as it lies in the queue, with some fields changed."""
    fields = to_dramatiq(hint(**(body or {})), EXECUTIONS).asdict()
    return json.dumps({**fields, "options": {"redis_message_id": "an-id"}, **changed}).encode()


def put(server, data, message_id="an-id"):
    with server.client() as client:
        client.hset(f"{QUEUE_KEY}.msgs", message_id, data)
        client.rpush(QUEUE_KEY, message_id)


def has_both_threads(handler, publisher):
    """Whether two messages are handled at once."""
    publisher.publish([hint(hold=True), hint(hold=True)])
    handler.next()
    handler.next()
    handler.let_go.set()
    return True


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"\xff\xfe",
        b"[]",
        b'{"queue_name": 1}',
        a_message(queue_name="another"),
        a_message(queue_name=[1]),
        a_message(actor_name=[1]),
        a_message(message_id=None),
        a_message(kwargs=None),
        a_message(kwargs=[1]),
        a_message(options=None),
        a_message(options=[]),
        a_message(options={"redis_message_id": 1}),
    ],
)
def test_what_is_no_message_is_set_aside_and_harms_no_other(server, handler, publisher, broker, data):
    # Given something in the queue that this service did not write
    put(server, data)
    # When messages follow it, then they are handled
    assert has_both_threads(handler, publisher)
    # And the other is among the dead letters, which can be read
    dead_letters = DramatiqDeadLetters(broker)
    assert eventually(lambda: [letter.id for letter in dead_letters.latest(10)] == ["an-id"])
    assert dict(dead_letters.get("an-id").body)


@pytest.mark.parametrize(
    "options", [{"throws": "Exception"}, {"retries": "x"}, {"eta": "x", "max_backoff": []}]
)
def test_options_of_dramatiq_s_that_are_not_used_here_end_no_thread(server, handler, publisher, options):
    # Given poisonous messages that would have Dramatiq do something else
    for message_id in ("an-id", "another-id"):
        message = a_message({"error": "poison"}, options={"redis_message_id": message_id, **options})
        put(server, message, message_id)
        handler.next()
    # Then the threads that have handled them handle others
    assert has_both_threads(handler, publisher)


def test_an_id_without_a_message_is_passed_over(server, handler, publisher):
    with server.client() as client:
        client.rpush(QUEUE_KEY, "no-such-message")
    publisher.publish([sent := hint()])
    assert handler.next() == sent


@pytest.mark.parametrize(
    ("fault", "cure", "words"),
    [
        ("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", "its memory .maxmemory. is used up"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "it is a read-only replica"),
    ],
)
def test_a_redis_that_answers_and_takes_no_writes_is_noticed(server, broker, fault, cure, words):
    with server.client() as client:
        client.execute_command(*fault.split())
        try:
            with pytest.raises(DependencyUnavailable, match=words):
                broker.ping()
        finally:
            client.execute_command(*cure.split())
    broker.ping()
