from datetime import UTC, datetime

from application.ports.clock import Clock


class SystemClock(Clock):
    """The operating system's clock."""

    def now(self) -> datetime:
        """Return the time in UTC, aware, to the microsecond."""
        return datetime.now(UTC)
