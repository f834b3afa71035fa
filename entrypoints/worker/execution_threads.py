"""The threads that run executions, each from the claim to the end."""

import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from threading import Lock

from adapters.common.background import BackgroundThread
from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.ports.work_queue import WorkQueue

logger = logging.getLogger("service_server.worker")


class ExecutionThreads:
    """Threads that take wake-ups and run an execution for each.

    If no execution can be run for a wake-up, the wake-up is dropped, because workers are woken again as long
    as executions wait.

    Args:
        queue: The queue of wake-ups.
        run: Claims an execution and runs it to its end; called on several threads at once.
        threads: The number of executions that run at once.
    """

    def __init__(self, queue: WorkQueue, run: Callable[[], object], threads: int) -> None:
        self._queue = queue
        self._run = run
        self._turn: AbstractContextManager[object] = Lock() if queue.takes_by_turns else nullcontext()
        self._is_stopping = False
        self._threads = [
            BackgroundThread(f"executions-{number}", self._step, queue.interrupt) for number in range(threads)
        ]

    def start(self) -> None:
        """Start to take wake-ups."""
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Take no more wake-ups, and wait for the running executions; return whether all ended in time."""
        deadline = time.monotonic() + timeout_s
        self._is_stopping = True
        for thread in self._threads:
            thread.interrupt()
        for thread in self._threads:
            thread.stop(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive for thread in self._threads)

    def _step(self) -> None:
        is_woken = False
        with self._turn:
            while not (is_woken or self._is_stopping):
                is_woken = self._queue.take()
        if is_woken:
            self._try()

    def _try(self) -> None:
        try:
            self._run()
        except DependencyUnavailable as error:
            logger.warning("a wake-up was dropped: %s", error, extra=outage_of(error))
        except Exception:  # no caller sees the outcome of this thread
            logger.exception("a wake-up was dropped")
