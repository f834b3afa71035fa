"""The contract of every event feed, among the threads of a process and between processes."""

import threading
from contextlib import contextmanager
from queue import Queue
from uuid import uuid4

import pytest

from adapters.in_process.event_feed import InProcessEventFeed
from adapters.redis_feed.event_feed import RedisEventFeed
from application.messages import Message
from domain.values import MessageId
from tests.support.redis_server import redis_server

WITHIN_S = 60


@pytest.fixture(scope="module")
def server():
    with redis_server() as server:
        yield server


@contextmanager
def redis_feed(server):
    feed = RedisEventFeed(server.url, InProcessEventFeed())
    feed.start()
    yield feed
    feed.stop()


@pytest.fixture
def in_process_feed():
    feed = InProcessEventFeed()
    feed.start()
    yield feed
    feed.stop()


@pytest.fixture
def redis_feed_of_one_process(server):
    with redis_feed(server) as feed:
        yield feed


@pytest.fixture(params=["in_process_feed", "redis_feed_of_one_process"])
def feed(request):
    return request.getfixturevalue(request.param)


def message(**body):
    return Message(id=MessageId(uuid4()), name="JobCompleted", body={"version": 1, **body})


def test_every_listener_is_told_every_message_in_the_order_of_its_publisher(feed):
    # Given two listeners
    first, second = Queue(), Queue()
    feed.subscribe(first.put)
    feed.subscribe(second.put)
    # When messages are published
    messages = [message(number=number) for number in range(10)]
    feed.publish(messages[:3])
    feed.publish(messages[3:])
    # Then both are told all of them
    assert [first.get(timeout=WITHIN_S) for _ in messages] == messages
    assert [second.get(timeout=WITHIN_S) for _ in messages] == messages


def test_a_message_arrives_as_it_was_sent(feed):
    heard = Queue()
    feed.subscribe(heard.put)
    sent = message(
        job_id=str(uuid4()), reason=None, text="\0 \u2028 é 漢 😀", nested={"list": [1, 2.5, True]}
    )
    feed.publish([sent])
    assert heard.get(timeout=WITHIN_S) == sent


def test_who_subscribes_later_is_told_only_what_comes_later(feed):
    early, late = Queue(), Queue()
    feed.subscribe(early.put)
    feed.publish([message(number=1)])
    early.get(timeout=WITHIN_S)
    feed.subscribe(late.put)
    feed.publish([second := message(number=2)])
    assert late.get(timeout=WITHIN_S) == second


def test_who_has_left_is_told_nothing_more_and_may_leave_twice(feed):
    # Given one who left and one who stayed
    left, stayed = Queue(), Queue()
    leave = feed.subscribe(left.put)
    feed.subscribe(stayed.put)
    leave()
    leave()
    # When a message is published
    feed.publish([message()])
    stayed.get(timeout=WITHIN_S)
    # Then only the one who stayed is told
    assert left.empty()


def test_one_who_listens_twice_is_told_twice_until_one_of_the_two_ends(feed):
    heard = Queue()
    leave = feed.subscribe(heard.put)
    feed.subscribe(heard.put)
    feed.publish([message()])
    assert heard.get(timeout=WITHIN_S) == heard.get(timeout=WITHIN_S)
    leave()
    feed.publish([message(number=2)])
    assert heard.get(timeout=WITHIN_S).body["number"] == 2
    assert heard.empty()


def test_a_listener_that_raises_is_logged_and_harms_no_other(feed, caplog):
    def fail(_):
        raise RuntimeError("a bug in a listener")

    heard = Queue()
    feed.subscribe(fail)
    feed.subscribe(heard.put)
    feed.publish([first := message(), second := message()])
    assert [heard.get(timeout=WITHIN_S), heard.get(timeout=WITHIN_S)] == [first, second]
    assert "a bug in a listener" in caplog.text


def test_publishing_nothing_does_nothing(feed):
    feed.publish([])


def test_listeners_may_come_and_go_while_messages_are_published(feed):
    # Given listeners that come and go, and one that stays
    stayed = Queue()
    feed.subscribe(stayed.put)
    is_over = threading.Event()

    def come_and_go():
        while not is_over.is_set():
            feed.subscribe(lambda _: None)()

    restless = [threading.Thread(target=come_and_go) for _ in range(2)]
    for thread in restless:
        thread.start()
    # When messages are published meanwhile
    messages = [message(number=number) for number in range(200)]
    for one in messages:
        feed.publish([one])
    is_over.set()
    for thread in restless:
        thread.join()
    # Then the one that stays misses none
    assert [stayed.get(timeout=WITHIN_S) for _ in messages] == messages


def test_two_processes_hear_each_other_through_redis(server):
    with redis_feed(server) as one, redis_feed(server) as other:
        heard = Queue()
        other.subscribe(heard.put)
        one.publish([sent := message()])
        assert heard.get(timeout=WITHIN_S) == sent
