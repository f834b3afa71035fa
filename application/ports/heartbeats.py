"""The port to the heartbeats of processes."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from datetime import datetime


class Heartbeats(ABC):
    """When each process last proved that it can write to the database, in the database's time."""

    @abstractmethod
    def beat(self, process: str, queues: Collection[str] = ()) -> datetime:
        """Record that a process can write, and the queues that it serves; return the database's time."""

    @abstractmethod
    def workers(self, within_s: float) -> Mapping[str, frozenset[str]]:
        """Return the queues of each process with a heartbeat within `within_s`, by the process's name."""

    @abstractmethod
    def served(self, within_s: float, besides: str) -> frozenset[str]:
        """Return the queues served by processes with a heartbeat within `within_s`, except for one."""
