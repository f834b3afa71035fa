"""The contract of every message publisher, in memory and on a Dramatiq broker."""

from contextlib import ExitStack
from itertools import chain
from queue import Queue
from threading import Thread
from uuid import uuid4

import pytest

from adapters.dramatiq_queue.embedded import EmbeddedBroker
from adapters.dramatiq_queue.publisher import DramatiqPublisher
from adapters.dramatiq_queue.redis_broker import RedisQueueBroker
from adapters.in_process.event_feed import InProcessEventFeed
from application.errors import DependencyUnavailable
from tests.support.memory.message_publisher import MemoryMessagePublisher
from tests.support.redis_server import redis_server
from tests.support.work_messages import WITHIN_S, Handler, fact, hint, working


class MemoryPublishing:
    """A publisher that only remembers."""

    def __init__(self):
        self.publisher = MemoryMessagePublisher()

    def arrived(self, count):
        return self.publisher.published[-count:] if count else []

    def fail(self):
        self.publisher.is_available = False


class DramatiqPublishing:
    """A publisher, a worker that handles wake-ups, and a listener for other messages."""

    def __init__(self, broker, handler, fail):
        feed = InProcessEventFeed()
        self._handler = handler
        self._facts = Queue()
        feed.subscribe(self._facts.put)
        self.publisher = DramatiqPublisher(broker, feed)
        self.fail = fail

    def arrived(self, count):
        messages = [self._handler.next() for _ in range(count - self._facts.qsize())]
        return messages + [self._facts.get() for _ in range(self._facts.qsize())]


@pytest.fixture
def memory():
    return MemoryPublishing()


@pytest.fixture
def embedded():
    broker, handler = EmbeddedBroker(max_waiting=500), Handler()
    with working(broker, handler) as worker:

        def fill():
            worker.stop(timeout_s=WITHIN_S)
            for _ in range(500):
                publishing.publisher.publish([hint()])

        publishing = DramatiqPublishing(broker, handler, fill)
        yield publishing


@pytest.fixture
def redis():
    with redis_server() as server:
        broker, handler = RedisQueueBroker(server.url), Handler()
        with working(broker, handler):
            yield DramatiqPublishing(broker, handler, server.kill)
        broker.close()


@pytest.fixture(params=["memory", "embedded", "redis"])
def publishing(request):
    return request.getfixturevalue(request.param)


def test_a_message_that_asks_for_work_reaches_who_does_it_as_it_was_sent(publishing):
    sent = hint(job_id=str(uuid4()), reason=None, text="\0 \u2028 é 漢 😀", nested={"list": [1, 2.5, True]})
    publishing.publisher.publish([sent])
    assert publishing.arrived(1) == [sent]


def test_a_fact_reaches_who_listens(publishing):
    publishing.publisher.publish([sent := fact(status="SUCCESS")])
    assert publishing.arrived(1) == [sent]


def test_messages_of_both_kinds_are_published_together(publishing):
    messages = [fact(number=1), hint(number=2), fact(number=3), hint(number=4)]
    publishing.publisher.publish(messages)
    assert by_id(publishing.arrived(4)) == by_id(messages)


def test_publishing_nothing_does_nothing(publishing):
    publishing.publisher.publish([])
    assert publishing.arrived(0) == []


def test_several_threads_publish_at_once_and_every_message_arrives(publishing):
    # Given messages in several hands
    hands = [[hint(number=number) for number in range(20)] for _ in range(4)]
    threads = [Thread(target=publishing.publisher.publish, args=(messages,)) for messages in hands]
    # When they are published at once
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Then all arrive
    assert by_id(publishing.arrived(80)) == by_id(chain(*hands))


def test_publishing_works_when_it_is_asked_whether_it_does(publishing):
    publishing.publisher.check()


def test_what_cannot_be_published_is_refused_in_words_without_an_address(publishing):
    publishing.fail()
    with pytest.raises(DependencyUnavailable) as refusal:
        publishing.publisher.publish([hint()])
    assert refusal.value.dependency == "queue"
    assert "127.0.0.1" not in str(refusal.value)


@pytest.mark.parametrize("publishing", ["embedded", "redis"], indirect=True)
def test_facts_are_told_even_if_nobody_can_be_asked_for_work(publishing):
    publishing.fail()
    with pytest.raises(DependencyUnavailable):
        publishing.publisher.publish([hint(), sent := fact()])
    assert publishing.arrived(1) == [sent]


@pytest.mark.parametrize("publishing", ["memory", "redis"], indirect=True)
def test_a_queue_that_is_gone_is_found_out_when_it_is_asked_for(publishing):
    publishing.fail()
    with pytest.raises(DependencyUnavailable):
        publishing.publisher.check()


@pytest.mark.parametrize("broker", [EmbeddedBroker, RedisQueueBroker])
def test_the_backlog_is_what_nobody_has_taken(broker):
    # Given a broker that no worker consumes from
    with ExitStack() as stack:
        url = () if broker is EmbeddedBroker else (stack.enter_context(redis_server()).url,)
        built = broker(*url)
        stack.callback(built.close)
        publisher = DramatiqPublisher(built, InProcessEventFeed())
        assert publisher.backlog("ExecutionRequested") == 0
        # When hints and facts are published
        publisher.publish([hint(), fact(), hint()])
        # Then only what asks for work is left
        assert publisher.backlog("ExecutionRequested") == 2
        assert publisher.backlog("JobCompleted") == 0


def by_id(messages):
    return sorted(messages, key=lambda message: message.id)
