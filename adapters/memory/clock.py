from datetime import UTC, datetime, timedelta

from application.ports.clock import Clock


class MemoryClock(Clock):
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = now

    def now(self) -> datetime:
        """Return the time that the clock stands at."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock on, or back."""
        self._now += timedelta(seconds=seconds)
