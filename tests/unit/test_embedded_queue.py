"""The queue inside the process wakes, stops and bounds itself without polling."""

import time

import pytest

from adapters.dramatiq_queue.embedded import EmbeddedBroker
from adapters.dramatiq_queue.routes import EXECUTIONS, to_dramatiq
from adapters.dramatiq_queue.worker import QueueWorker
from application.errors import DependencyUnavailable
from tests.support.work_messages import WITHIN_S, Handler, hint, working


def enqueue(broker, message, **options):
    broker.enqueue(to_dramatiq(message, EXECUTIONS), **options)


def test_messages_that_came_before_the_worker_are_handled_in_their_order():
    broker, handler = EmbeddedBroker(), Handler()
    messages = [hint(number=number) for number in range(20)]
    for message in messages:
        enqueue(broker, message)
    with working(broker, handler, threads=1):
        assert [handler.next() for _ in messages] == messages


def test_an_idle_worker_stops_at_once():
    worker = QueueWorker(EmbeddedBroker(), {"ExecutionRequested": Handler()}, threads=4)
    worker.start()
    started_at = time.monotonic()
    assert worker.stop(timeout_s=WITHIN_S)
    assert time.monotonic() - started_at < 0.3


def test_a_worker_that_stops_waits_for_what_runs_and_leaves_the_rest():
    # Given a worker with one message in hand, and another that waits
    broker, handler = EmbeddedBroker(), Handler()
    with working(broker, handler, threads=1) as worker:
        enqueue(broker, hint(hold=True))
        handler.next()
        enqueue(broker, waiting := hint())
        # When it stops before that message is done
        assert not worker.stop(timeout_s=0.1)
        handler.detach.set()
    # Then the other is still there for the next worker
    assert handler.handled.empty()
    consumer = broker.consume(EXECUTIONS, timeout=0)
    assert next(consumer).kwargs["id"] == str(waiting.id)


def test_a_message_may_be_delayed():
    broker, handler = EmbeddedBroker(), Handler()
    with working(broker, handler):
        enqueue(broker, later := hint(), delay=100)
        enqueue(broker, now := hint())
        assert [handler.next(), handler.next()] == [now, later]


def test_a_queue_that_is_full_refuses_and_takes_again_when_there_is_room():
    broker, handler = EmbeddedBroker(max_waiting=2), Handler()
    enqueue(broker, hint())
    enqueue(broker, hint())
    with pytest.raises(DependencyUnavailable, match="2 messages wait in it already"):
        enqueue(broker, hint())
    with working(broker, handler):
        handler.next()
        handler.next()
        enqueue(broker, hint())
        handler.next()


def test_a_handler_for_a_message_that_asks_nobody_for_work_is_a_mistake():
    with pytest.raises(KeyError):
        QueueWorker(EmbeddedBroker(), {"JobCompleted": Handler()}, threads=1)
