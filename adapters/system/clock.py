"""The clocks of the operating system."""

import time
from datetime import UTC, datetime

from application.ports.clock import Clock


class SystemClock(Clock):
    """The operating system's clocks."""

    def now(self) -> datetime:
        """Return the current time as an aware datetime in UTC, with microseconds."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds since the machine was booted, including time in suspend."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Block this thread for some seconds."""
        time.sleep(seconds)
