"""A standalone runner runs everything that its process requests, in spite of outages."""

from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, current_thread

import pytest

from adapters.in_process.event_feed import InProcessEventFeed
from application.errors import DependencyUnavailable
from application.messages import Message
from application.retry_policy import RetryPolicy
from domain.values import BatchId, ExecutionId, MessageId
from entrypoints.worker.standalone_runner import StandaloneRunner
from tests.support.memory.id_generator import MemoryIdGenerator

PATIENCE_S = 90
OUTAGE = DependencyUnavailable("database", "it is away")
ids = MemoryIdGenerator()


def message(name, **body):
    return Message(id=MessageId(ids.new()), name=name, body={key: str(value) for key, value in body.items()})


@contextmanager
def started(feed, run, of_batch, retry_s=0.001):
    retry = RetryPolicy((retry_s,), is_endless=True)
    runner = StandaloneRunner(feed, run, of_batch, threads=1, retry=retry)
    runner.start()
    try:
        yield runner
    finally:
        assert runner.stop(timeout_s=PATIENCE_S)


def failing_at_first(action, error=OUTAGE):
    calls = []

    def attempt(argument, *_pause):
        calls.append(argument)
        if len(calls) == 1:
            raise error
        return action(argument)

    return attempt


def test_a_batch_is_read_again_on_a_runner_thread_after_an_outage():
    # Given a database that is away when a batch is submitted
    feed, run, readers = InProcessEventFeed(), SimpleQueue(), []
    requested = [ExecutionId(ids.new()) for _ in range(3)]

    def of_batch(_batch_id):
        readers.append(current_thread())
        return requested

    with started(feed, lambda execution_id, _pause: run.put(execution_id), failing_at_first(of_batch)):
        feed.publish([message("BatchSubmitted", batch_id=BatchId(ids.new()))])
        # Then all its executions run once the database is back, and the publisher did not wait for it
        assert [run.get(timeout=PATIENCE_S) for _ in requested] == requested
    assert current_thread() not in readers


@pytest.mark.parametrize("name", ["JobStarted", "JobRetried"])
def test_an_execution_is_run_again_after_an_outage(name):
    feed, run, requested = InProcessEventFeed(), SimpleQueue(), ExecutionId(ids.new())

    with started(feed, failing_at_first(run.put), list):
        feed.publish([message(name, execution_id=requested)])
        assert run.get(timeout=PATIENCE_S) == requested


def test_an_execution_that_fails_for_another_reason_is_not_run_again(caplog):
    feed, run = InProcessEventFeed(), SimpleQueue()
    failed, other = ExecutionId(ids.new()), ExecutionId(ids.new())

    with started(feed, failing_at_first(run.put, RuntimeError("a bug")), list):
        feed.publish([message("JobStarted", execution_id=failed), message("JobStarted", execution_id=other)])
        assert run.get(timeout=PATIENCE_S) == other
    assert run.empty()
    assert f"execution {failed} failed to run" in caplog.text


def test_a_runner_that_waits_for_a_retry_stops_at_once():
    feed, failed = InProcessEventFeed(), Event()

    def run(_execution_id, _pause):
        failed.set()
        raise OUTAGE

    with started(feed, run, list, retry_s=3_600):
        feed.publish([message("JobStarted", execution_id=ExecutionId(ids.new()))])
        assert failed.wait(PATIENCE_S)


def test_a_runner_whose_execution_cannot_start_stops_at_once():
    feed, paused = InProcessEventFeed(), Event()

    def run(_execution_id, pause):
        paused.set()
        while not pause(3_600):
            pass

    with started(feed, run, list):
        feed.publish([message("JobStarted", execution_id=ExecutionId(ids.new()))])
        assert paused.wait(PATIENCE_S)
