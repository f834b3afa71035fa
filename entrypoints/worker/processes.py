"""Worker processes, which are forked and replaced when they end."""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkProcess
from threading import Thread

logger = logging.getLogger("service_server.worker")

_STOPPING = {signal.SIGINT, signal.SIGTERM}
# A process is replaced this long after its start, at the earliest.
_SHORT_LIFE_S = 2.0


class Processes:
    """Several processes that do the same work, each replaced when it ends, until SIGTERM or SIGINT.

    The processes are forked, so that they share the memory of imported modules. `run` must be called before
    any thread is started.

    Args:
        number: The number of processes.
        work: Called in each process; returns when the process gets SIGTERM.
    """

    def __init__(self, number: int, work: Callable[[], None]) -> None:
        self._number = number
        self._work = work
        self._context = multiprocessing.get_context("fork")
        self._running: list[tuple[ForkProcess, float]] = []

    def run(self) -> None:
        """Keeps the processes running until SIGTERM or SIGINT, then stops them and waits for their end."""
        signals = {*_STOPPING, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        while True:
            self._replenish()
            if signal.sigwait(signals) in _STOPPING:
                break
        for process, _started_at in self._running:
            process.terminate()
        for process, _started_at in self._running:
            process.join()

    def _replenish(self) -> None:
        for process, started_at in self._running:
            if not process.is_alive():
                logger.warning("process %s ended with %s", process.pid, process.exitcode)
                time.sleep(max(started_at + _SHORT_LIFE_S - time.monotonic(), 0))
        self._running = [entry for entry in self._running if entry[0].is_alive()]
        while len(self._running) < self._number:
            process = self._context.Process(target=self._run_one)
            process.start()
            self._running.append((process, time.monotonic()))

    def _run_one(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*_STOPPING, signal.SIGCHLD})
        Thread(target=_stop_without_parent, daemon=True).start()
        self._work()


def _stop_without_parent() -> None:
    """Stops this process when its parent ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
