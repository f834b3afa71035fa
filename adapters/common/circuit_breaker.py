"""A circuit breaker for calls to a dependency."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from time import monotonic
from weakref import WeakSet

from application.errors import DependencyUnavailable

logger = logging.getLogger("service_server.circuits")

# Short, so that a dependency's return is noticed soon; a failed call takes about as long.
RESET_S = 1.0
# Metrics show an outage for this long after the last failed call. This is longer than the time between
# retries, but finite: there may be no later call to show that the outage is over.
OUTAGE_SHOWN_S = 300.0

_breakers: "WeakSet[CircuitBreaker]" = WeakSet()
_breakers_lock = Lock()


def breakers() -> "Collection[CircuitBreaker]":
    """Return the circuit breakers of this process, for its metrics."""
    with _breakers_lock:
        return tuple(_breakers)


class CircuitBreaker:
    """Prevents calls to a dependency that is unavailable. Thread-safe.

    After `threshold` consecutive failures the circuit opens. One trial call is then let through every
    `reset_s` seconds, and an answer to it closes the circuit. A trial that fails postpones the next one by
    `reset_s`, so that callers that waited for it are refused. A trial that has connected to the dependency,
    but has no answer yet, lets other calls through on probation: the next failure reopens the circuit, and
    the next answer closes it. A trial that runs for minutes therefore delays no other call.

    Args:
        dependency: The name of the dependency, as shown to operators.
        threshold: The number of consecutive failures that open the circuit.
        reset_s: Seconds between trials.
        failure: The error that counts as a failure; any other outcome shows that the dependency answers.
        unasked: The errors of calls that never reached the dependency. They show nothing about it.
        refusal: Builds the error that `call` raises while the circuit is open, from the cause of the last
            failure.

    Attributes:
        openings: The number of times that the circuit has opened.
    """

    def __init__(
        self,
        dependency: str,
        threshold: int = 1,
        reset_s: float = RESET_S,
        failure: type[DependencyUnavailable] = DependencyUnavailable,
        unasked: tuple[type[DependencyUnavailable], ...] = (),
        refusal: Callable[[str], DependencyUnavailable] | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.dependency = dependency
        self.openings = 0
        self._threshold = threshold
        self._reset_s = reset_s
        self._failure = failure
        self._unasked = unasked
        self._refusal = refusal or (lambda cause: DependencyUnavailable(dependency, cause))
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._next_trial_at = 0.0
        self._is_on_trial = False
        self._answered_at = 0.0
        self._failed_at = 0.0
        self._cause = "it cannot be reached"
        with _breakers_lock:
            _breakers.add(self)

    @property
    def is_closed(self) -> bool:
        """Whether calls pass freely; if not, the next admitted call is a trial."""
        with self._lock:
            return self._failures < self._threshold

    @property
    def is_open(self) -> bool:
        """Whether no call is admitted now, not even a trial."""
        with self._lock:
            return self._failures >= self._threshold and self._clock() < self._next_trial_at

    @property
    def shows_outage(self) -> bool:
        """Whether calls have failed recently, and none has reached the dependency since."""
        with self._lock:
            is_recent = self._clock() < max(self._failed_at + OUTAGE_SHOWN_S, self._next_trial_at)
            return self._failures >= self._threshold and is_recent

    @contextmanager
    def call(self) -> Iterator[None]:
        """Guard a call made within the context, and record its outcome.

        Raises:
            DependencyUnavailable: The circuit is open.
        """
        if not self.admits():
            raise self._refusal(f"{self._cause} (circuit open)")
        began_at = self._clock()
        try:
            yield
        except self._unasked:
            raise
        except self._failure as error:
            with self._lock:
                is_outdated = began_at < self._answered_at  # the failure belongs to an outage that is over
            if not is_outdated:
                self.failed(cause=error.detail)
            raise
        except Exception:
            self.answered()
            raise
        else:
            self.answered()

    def admits(self) -> bool:
        """Whether a call may be made now. Admitting a trial postpones the next trial by `reset_s`."""
        with self._lock:
            if self._failures < self._threshold:
                return True
            now = self._clock()
            if now < self._next_trial_at:
                return False
            self._next_trial_at = now + self._reset_s
            self._is_on_trial = True
            return True

    def reached(self) -> None:
        """Record that a call has connected to the dependency."""
        with self._lock:
            self._lower_to(min(self._failures, self._threshold - 1))

    def answered(self) -> None:
        """Record that the dependency has answered."""
        with self._lock:
            self._lower_to(0)
            self._answered_at = self._clock()

    def failed(self, rest_s: float | None = None, cause: str | None = None) -> None:
        """Record that the dependency could not be reached or had no capacity.

        Args:
            rest_s: Seconds for which the dependency asked not to be called: the circuit opens at once for
                that time.
            cause: The cause, shown to callers that are refused.
        """
        with self._lock:
            was_closed = self._failures < self._threshold
            self._cause = cause or self._cause
            self._failures += 1
            self._failed_at = self._clock()
            if rest_s is not None:
                self._failures = max(self._failures, self._threshold)
                self._next_trial_at = max(self._next_trial_at, self._clock() + rest_s)
            elif self._is_on_trial or self._failures == self._threshold:
                self._next_trial_at = self._clock() + self._reset_s
            self._is_on_trial = False
            if was_closed and self._failures >= self._threshold:
                self.openings += 1
                logger.info("circuit open: calls to the %s are suspended", self.dependency)

    def trip(self) -> None:
        """Open the circuit, because the dependency is known to be unavailable."""
        self.failed(self._reset_s)

    def _lower_to(self, failures: int) -> None:
        if self._failures >= self._threshold:
            logger.info("circuit closed: the %s can be reached", self.dependency)
        self._failures = failures
        self._is_on_trial = False
