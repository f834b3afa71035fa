"""Threads that repeat a step, or a task at intervals, until they are stopped."""

import logging
import random
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.retry_policy import RetryPolicy

logger = logging.getLogger("service_server.background")

BACKOFF = RetryPolicy.exponential(0.05, 1.0)
_JITTER = 0.1
# Seconds that a round may take that is under way when its task is to end.
_LAST_ROUND_S = 2.0
# Seconds after which a task is retried that a dependency kept from being done.
_RETRY_S = 0.5


def _nothing() -> None:
    pass


class BackgroundThread:
    """A thread that repeats a step until it is stopped, and outlives every failure of the step.

    The first failure in a row is logged, and each is followed by a back-off.

    Args:
        name: The name of the thread, and its subject in the log.
        step: One round of the work. It may wait, as long as `wake` ends the wait.
        wake: Ends the wait of a step that is under way, when the thread is to stop.
        backoff: The delays after failures in a row.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], object],
        wake: Callable[[], object] = _nothing,
        backoff: RetryPolicy = BACKOFF,
    ) -> None:
        self.name = name
        self._step = step
        self._wake = wake
        self._backoff = backoff
        self._failures: Iterator[float] | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether no other step is to begin."""
        return self._stopping.is_set()

    @property
    def is_alive(self) -> bool:
        """Whether a step is under way, or more are to begin."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def interrupt(self) -> None:
        """Prevent further steps, and end the waits of the present one."""
        self._stopping.set()
        self._wake()

    def stop(self, timeout_s: float | None = None) -> None:
        """Interrupt the thread, and wait until its present step ends, at most for the timeout."""
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def pause(self, seconds: float) -> None:
        """Wait on the thread for some time, or until it is to stop."""
        self._stopping.wait(seconds)

    def _run(self) -> None:
        while not self.is_stopping:
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - without this thread, its work is not done any more
                self._back_off(error)
            else:
                if self._failures is not None:
                    logger.info("%s: works again", self.name)
                    self._failures = None

    def _back_off(self, error: Exception) -> None:
        is_first = self._failures is None
        self._failures = self._failures or self._backoff.delays()
        delay_s = next(self._failures)
        if not isinstance(error, DependencyUnavailable):
            logger.error("%s failed; retrying in %.1f s", self.name, delay_s, exc_info=error)
        elif is_first:
            logger.warning("%s: %s; retrying in %.1f s", self.name, error, delay_s, extra=outage_of(error))
        self.pause(delay_s)


class PeriodicTask(BackgroundThread):
    """A task that is done at once and then again and again.

    The interval varies by a tenth, so that many processes do not act in step. After a round for which a
    dependency was out of reach, the next one comes soon: much may be due when it is back.

    Args:
        name: The name of the thread, and its subject in the log.
        action: The task.
        every_s: Seconds between two rounds.
    """

    def __init__(self, name: str, action: Callable[[], object], every_s: float) -> None:
        retry = RetryPolicy((min(every_s, _RETRY_S),), is_endless=True, jitter=_JITTER)
        super().__init__(name, self._round, backoff=retry)
        self._action = action
        self._every_s = every_s
        self._round_ended_at = time.monotonic()

    @property
    def since_round_s(self) -> float:
        """Seconds since a round ended, done or failed; before the first one, since the task was made."""
        return time.monotonic() - self._round_ended_at

    def stop(self, timeout_s: float | None = _LAST_ROUND_S) -> None:
        """End when the present round does, or return when that takes too long."""
        super().stop(timeout_s)

    def _round(self) -> None:
        try:
            self._action()
        except DependencyUnavailable:
            raise
        except Exception:  # it is done again at its time
            logger.exception("%s failed", self.name)
        finally:
            self._round_ended_at = time.monotonic()
        self.pause(self._every_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret
