"""Background threads: one repeats a step until it is stopped, one runs a task at intervals."""

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
# Seconds that `stop` waits for the round in progress.
_LAST_ROUND_S = 2.0
# Seconds until a task is retried after a dependency was unavailable.
_RETRY_S = 0.5


def _nothing() -> None:
    pass


class BackgroundThread:
    """A thread that repeats a step until it is stopped, even if the step fails.

    Each failure is followed by a back-off. If a dependency is unavailable, only the first of several
    consecutive failures is logged.

    Args:
        name: The name of the thread, and its subject in the log.
        step: One round of the work. It may block if `wake` can unblock it.
        wake: Unblocks the current step when the thread is asked to stop.
        backoff: The delays after consecutive failures.
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
        """Whether the thread was asked to stop; no further step begins."""
        return self._stopping.is_set()

    @property
    def is_alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def interrupt(self) -> None:
        """Ask the thread to stop, and unblock the current step."""
        self._stopping.set()
        self._wake()

    def stop(self, timeout_s: float | None = None) -> None:
        """Interrupt the thread, and wait up to `timeout_s` for its current step to end."""
        self.interrupt()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def pause(self, seconds: float) -> None:
        """Block the calling thread for `seconds`, or until this thread is asked to stop."""
        self._stopping.wait(seconds)

    def _run(self) -> None:
        while not self.is_stopping:
            try:
                self._step()
            except Exception as error:  # noqa: BLE001 - no other thread does this work
                self._back_off(error)
            else:
                if self._failures is not None:
                    logger.info("%s recovered", self.name)
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
    """A task that runs at once and then at intervals.

    The interval varies by a tenth, so that many processes do not run the task at the same moment. If a
    dependency is unavailable, the task is retried soon: much work may be due when the dependency returns.

    Args:
        name: The name of the thread, and its subject in the log.
        action: The task.
        every_s: Seconds between the end of one round and the start of the next.
    """

    def __init__(self, name: str, action: Callable[[], object], every_s: float) -> None:
        retry = RetryPolicy((min(every_s, _RETRY_S),), is_endless=True, jitter=_JITTER)
        super().__init__(name, self._round, backoff=retry)
        self._action = action
        self._every_s = every_s
        self._round_ended_at = time.monotonic()

    @property
    def since_round_s(self) -> float:
        """Seconds since the last round ended, even in failure, or since the task was created."""
        return time.monotonic() - self._round_ended_at

    def stop(self, timeout_s: float | None = _LAST_ROUND_S) -> None:
        """Stop the task, and wait up to `timeout_s` for the round in progress to end."""
        super().stop(timeout_s)

    def _round(self) -> None:
        try:
            self._action()
        except DependencyUnavailable:
            raise
        except Exception:  # the next round tries again
            logger.exception("%s failed", self.name)
        finally:
            self._round_ended_at = time.monotonic()
        self.pause(self._every_s * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret
