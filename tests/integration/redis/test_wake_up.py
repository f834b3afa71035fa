"""Consumers are woken by Redis, and cost nothing while they wait."""

import time

import pytest
from dramatiq.brokers.redis import RedisBroker

from adapters.dramatiq_queue.redis_broker import NAMESPACE
from adapters.dramatiq_queue.routes import EXECUTIONS, to_dramatiq
from tests.support.work_messages import Handler, hint, working


@pytest.fixture
def handler(broker):
    handler = Handler()
    with working(broker, handler):
        yield handler


def test_an_idle_worker_starts_within_milliseconds(handler, publisher):
    delays = []
    for _ in range(20):
        time.sleep(0.02)  # long enough for a consumer that sleeps and looks again to have gone to sleep
        published_at = time.monotonic()
        publisher.publish([hint()])
        handler.next()
        delays.append(time.monotonic() - published_at)
    assert sorted(delays)[len(delays) // 2] < 0.02


def test_an_idle_worker_uses_hardly_any_of_a_core(handler):
    before = time.process_time()
    time.sleep(1)
    assert time.process_time() - before < 0.08
    assert handler.handled.empty()


def test_a_producer_that_is_plain_dramatiq_wakes_the_worker_too(handler, server):
    plain = RedisBroker(url=server.url, namespace=NAMESPACE, middleware=[])
    plain.enqueue(to_dramatiq(sent := hint(), EXECUTIONS))
    assert handler.next(within_s=0.4) == sent
    plain.client.close()


def test_a_thread_that_is_free_again_takes_the_next_message_at_once(handler, publisher):
    # Given a worker whose two threads are busy
    publisher.publish([hint(hold=True), hint(hold=True)])
    handler.next()
    handler.next()
    # When a message has waited for them, and they become free
    publisher.publish([waiting := hint()])
    assert handler.handled.empty()
    let_go_at = time.monotonic()
    handler.let_go.set()
    # Then it is taken
    assert handler.next() == waiting
    assert time.monotonic() - let_go_at < 0.2


def test_a_burst_is_handled_whole(handler, publisher):
    messages = [hint(number=number) for number in range(300)]
    publisher.publish(messages)
    handled = [handler.next() for _ in messages]
    assert {message.id for message in handled} == {message.id for message in messages}
