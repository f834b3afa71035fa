from collections.abc import Callable
from threading import Lock
from time import monotonic


class CircuitBreaker:
    """Keeps calls from an engine that is out of reach. Safe to use from several threads.

    After `threshold` failures in a row the circuit is open; then one call in every `reset_s` seconds is let
    through on trial. A trial that reaches the engine lets the others follow, on probation: the next failure
    opens the circuit again, the next answer closes it. So a trial that runs for minutes holds nobody up.
    """

    def __init__(self, threshold: int, reset_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._threshold = threshold
        self._reset_s = reset_s
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._next_trial_at = 0.0

    @property
    def is_closed(self) -> bool:
        """Whether calls pass freely; if not, the next one that is admitted is a trial."""
        with self._lock:
            return self._failures < self._threshold

    @property
    def is_open(self) -> bool:
        """Whether no call may be made now, not even a trial."""
        with self._lock:
            return self._failures >= self._threshold and self._clock() < self._next_trial_at

    def admits(self) -> bool:
        """Whether a call may be made now."""
        with self._lock:
            if self._failures < self._threshold:
                return True
            now = self._clock()
            if now < self._next_trial_at:
                return False
            self._next_trial_at = now + self._reset_s
            return True

    def reached(self) -> None:
        """Note that a call has a connection to the engine."""
        with self._lock:
            self._failures = min(self._failures, self._threshold - 1)

    def answered(self) -> None:
        """Note that the engine has answered."""
        with self._lock:
            self._failures = 0

    def failed(self, rest_s: float | None = None) -> None:
        """Note that the engine could not be reached, or had no room.

        Args:
            rest_s: How long the engine wants to be left alone: the circuit opens at once, for that long.
        """
        with self._lock:
            self._failures += 1
            if rest_s is None:
                if self._failures == self._threshold:
                    self._next_trial_at = self._clock() + self._reset_s
                return
            self._failures = max(self._failures, self._threshold)
            self._next_trial_at = max(self._next_trial_at, self._clock() + rest_s)

    def trip(self) -> None:
        """Open the circuit: the engine is known to be out of reach."""
        self.failed(self._reset_s)
