"""Worker processes, which are forked and replaced when they end."""

import logging
import os
import signal
import time
from collections.abc import Callable
from threading import Thread

from entrypoints.worker.stop_signals import stop_signals

logger = logging.getLogger("service_server.worker")

# A process is replaced this long after its start, at the earliest. One that could not be started is tried
# again after this time.
_SHORT_LIFE_S = 2.0


class Processes:
    """Several processes that do the same work, each replaced when it ends, until a signal stops them.

    The processes are forked, so that they share the memory of imported modules. `run` must be called before
    any thread is started.

    Args:
        number: The number of processes.
        work: Called in each process; returns when the process gets SIGTERM.
    """

    def __init__(self, number: int, work: Callable[[], None]) -> None:
        self._number = number
        self._work = work
        self._running: dict[int, float] = {}  # the times of their starts, by process id

    def run(self) -> None:
        """Keep the processes running until a signal to stop, then stop them and wait for their end.

        In each process, it returns when the work does.
        """
        signals = {*stop_signals(), signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        # Only this process keeps the writing end, so the reading end is at its end once this process is.
        life, writer = os.pipe()
        received: int | None = None
        while received is None or received == signal.SIGCHLD:
            self._forget_ended()
            while len(self._running) < self._number and (process := _fork()) is not None:
                if process == 0:
                    os.close(writer)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
                    Thread(target=_stop_after, args=(life,), daemon=True).start()
                    self._work()
                    return
                self._running[process] = time.monotonic()
            received = _wait_for(signals, None if len(self._running) == self._number else _SHORT_LIFE_S)
        for process in self._running:
            os.kill(process, signal.SIGTERM)
        for process in self._running:
            os.waitpid(process, 0)

    def _forget_ended(self) -> None:
        for process, started_at in tuple(self._running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                logger.warning("process %s ended with %s", process, os.waitstatus_to_exitcode(status))
                del self._running[process]
                time.sleep(max(started_at + _SHORT_LIFE_S - time.monotonic(), 0))


def _fork() -> int | None:
    """Return the id of a new process, 0 in it, or None if the system has no room for one."""
    try:
        return os.fork()
    except OSError as error:
        logger.warning(
            "a process could not be started, retrying in %.1f s: %s", _SHORT_LIFE_S, error.strerror
        )
        return None


def _wait_for(signals: set[signal.Signals], timeout_s: float | None) -> int | None:
    if timeout_s is None:
        return signal.sigwait(signals)
    received = signal.sigtimedwait(signals, timeout_s)
    return None if received is None else received.si_signo


def _stop_after(life: int) -> None:
    """Stop this process when its parent ends."""
    os.read(life, 1)
    os.kill(os.getpid(), signal.SIGTERM)
