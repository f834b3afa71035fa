"""The clocks of this machine."""

import time
from datetime import UTC, datetime

from application.ports.clock import Clock


class SystemClock(Clock):
    """The operating system's clocks."""

    def now(self) -> datetime:
        """Return the time in UTC, aware, to the microsecond."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the seconds since the machine was started, the time that it slept included."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def sleep(self, seconds: float) -> None:
        """Block this thread for that time."""
        time.sleep(seconds)
