"""Consumers are woken by Redis, and cost nothing while they wait."""

import threading
import time

import pytest
from dramatiq.brokers.redis import RedisBroker

from adapters.dramatiq_queue.redis_broker import NAMESPACE
from tests.support.processes import cpu_s
from tests.support.queue_messages import Handler, completion, on_the_wire, woken, working


@pytest.fixture
def handler(broker, queue):
    handler = Handler()
    with working(broker, handler), woken(queue, handler):
        yield handler


def test_an_idle_worker_starts_within_milliseconds(handler, queue):
    delays = []
    for _ in range(20):
        time.sleep(0.02)  # long enough for a consumer that sleeps and looks again to have gone to sleep
        woken_at = time.monotonic()
        queue.wake(1)
        handler.next()
        delays.append(time.monotonic() - woken_at)
    assert sorted(delays)[len(delays) // 4] < 0.02  # on a busy machine, others come late


def test_a_completion_is_handled_within_milliseconds(handler, broker):
    delays = []
    for _ in range(20):
        time.sleep(0.02)
        sent_at = time.monotonic()
        broker.enqueue(on_the_wire(completion()))
        handler.next()
        delays.append(time.monotonic() - sent_at)
    assert sorted(delays)[len(delays) // 4] < 0.02  # on a busy machine, others come late


def test_an_idle_worker_uses_hardly_any_of_a_core(broker, queue):
    others, handler = set(threading.enumerate()), Handler()
    with working(broker, handler), woken(queue, handler):
        own = set(threading.enumerate()) - others
        before = cpu_s(own)
        time.sleep(1)
        assert cpu_s(own) - before < 0.08
    assert handler.handled.empty()


def test_a_producer_that_is_plain_dramatiq_wakes_the_worker_too(handler, server):
    plain = RedisBroker(url=server.url, namespace=NAMESPACE, middleware=[])
    plain.enqueue(on_the_wire(content := completion()))
    assert handler.next() == content
    plain.client.close()


def test_a_thread_that_is_free_again_takes_the_next_wake_up_at_once(queue):
    # Given a worker whose two threads are busy
    handler = Handler(holds=True)
    with woken(queue, handler):
        queue.wake(2)
        handler.next()
        handler.next()
        # When a wake-up has waited for them, and they become free
        queue.wake(1)
        assert handler.handled.empty()
        handler.let_go.set()
        # Then it is taken
        handler.next()


def test_a_burst_is_handled_whole(handler, broker):
    burst = [completion(number=number) for number in range(300)]
    for content in burst:
        broker.enqueue(on_the_wire(content))
    handled = [handler.next() for _ in burst]
    assert sorted(content["id"] for content in handled) == sorted(content["id"] for content in burst)


def test_a_burst_of_wake_ups_is_handled_whole(handler, queue):
    queue.wake(300)
    for _ in range(300):
        handler.next()
    assert queue.backlog() == 0
