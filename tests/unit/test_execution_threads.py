"""The queue inside the process wakes and stops without polling."""

import threading
import time

from adapters.in_process.work_queue import InProcessWorkQueue
from entrypoints.worker.execution_threads import ExecutionThreads
from tests.support.processes import cpu_s
from tests.support.queue_messages import WITHIN_S, Handler, woken


def test_an_idle_worker_starts_within_milliseconds():
    queue, handler, delays = InProcessWorkQueue(), Handler(), []
    with woken(queue, handler):
        for _ in range(20):
            time.sleep(0.02)
            woken_at = time.monotonic()
            queue.wake(1)
            handler.next()
            delays.append(time.monotonic() - woken_at)
    assert sorted(delays)[len(delays) // 4] < 0.02  # on a busy machine, others come late


def test_an_idle_worker_uses_hardly_any_of_a_core():
    others = set(threading.enumerate())
    with woken(InProcessWorkQueue(), Handler()):
        own = set(threading.enumerate()) - others
        before = cpu_s(own)
        time.sleep(1)
        assert cpu_s(own) - before < 0.08


def test_an_idle_worker_stops_at_once():
    handler = Handler()
    worker = ExecutionThreads(InProcessWorkQueue(), handler, threads=4)
    worker.start()
    assert worker.stop(timeout_s=WITHIN_S)


def test_a_worker_that_stops_waits_for_what_runs_and_begins_with_no_other():
    # Given a worker with one wake-up in hand, and another that waits
    queue, handler = InProcessWorkQueue(), Handler(holds=True)
    with woken(queue, handler, threads=1) as worker:
        queue.wake(1)
        handler.next()
        queue.wake(1)
        # When it stops before the first is done
        assert not worker.stop(timeout_s=0.1)
        handler.let_go.set()
    # Then it has begun with no other
    assert handler.handled.empty()
