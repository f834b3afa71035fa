from abc import ABC, abstractmethod
from datetime import datetime


class Clock(ABC):
    """The time of day. Leases are not decided by it: they go by the database's own time."""

    @abstractmethod
    def now(self) -> datetime:
        """Return the time in UTC, aware, to the microsecond."""
