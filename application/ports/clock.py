"""The port to the time."""

from abc import ABC, abstractmethod
from datetime import datetime


class Clock(ABC):
    """The time of day, a clock to measure durations by, and a wait. Leases go by the database's own time."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the time in UTC, aware, to the microsecond. It jumps when the machine's clock is set."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return seconds since some moment, including sleep of the machine. They only grow."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Return when this much time has passed."""
