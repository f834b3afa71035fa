from datetime import UTC, datetime, timedelta

from application.ports.clock import Clock


class MemoryClock(Clock):
    """A clock that stands still until it is advanced."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now
        self._monotonic = 0.0

    def now(self) -> datetime:
        """Return the clock's current time."""
        return self._now

    def monotonic(self) -> float:
        """Return the elapsed seconds."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)

    def sleep(self, seconds: float) -> None:
        """Advance the clock at once."""
        self.advance(seconds)

    def set(self, seconds: float) -> None:
        """Set the time of day forward, or back with a negative number, without elapsed time."""
        self._now += timedelta(seconds=seconds)
