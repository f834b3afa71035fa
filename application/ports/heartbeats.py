"""The port to the heartbeats of processes."""

from abc import ABC, abstractmethod
from datetime import datetime


class Heartbeats(ABC):
    """When each process last showed that it can write to the database, by the database's own time."""

    @abstractmethod
    def beat(self, process: str) -> datetime:
        """Write down that a process can write; return the database's time."""
