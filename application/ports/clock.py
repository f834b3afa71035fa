"""The port to clocks."""

from abc import ABC, abstractmethod
from datetime import datetime


class Clock(ABC):
    """The time of day, a monotonic clock, and a wait. Leases use the database's time instead."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the current time, aware and in UTC. It jumps when the machine's clock is set."""

    @abstractmethod
    def monotonic(self) -> float:
        """Return a monotonic time in seconds, which includes the time that the machine sleeps."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Wait for a number of seconds."""
