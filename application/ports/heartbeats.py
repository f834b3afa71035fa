"""The port to the heartbeats of processes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime


class Heartbeats(ABC):
    """When each process last showed that it can write to the database, by the database's own time."""

    @abstractmethod
    def beat(self, process: str, queues: Collection[str] = ()) -> datetime:
        """Write down that a process can write, and the queues that it serves; return the database's time."""

    @abstractmethod
    def workers(self, within_s: float) -> Mapping[str, frozenset[str]]:
        """Return the queues of each process whose last heartbeat is no older, by its name."""

    @abstractmethod
    def served(self, within_s: float, besides: str) -> frozenset[str]:
        """Return the queues that processes serve whose last heartbeat is no older, one process left out."""
