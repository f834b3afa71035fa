from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta

from application.ports.heartbeats import Heartbeats
from tests.support.memory.database import Tables


class MemoryHeartbeats(Heartbeats):
    """The heartbeats in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._heartbeats = tables.heartbeats
        self._now = now

    def beat(self, process: str, queues: Collection[str] = ()) -> datetime:
        """Record a heartbeat of a process and the queues that it serves; return the database's time."""
        now = self._now()
        self._heartbeats[process] = now, frozenset(queues)
        return now

    def workers(self, within_s: float) -> Mapping[str, frozenset[str]]:
        """Return the queues of each process with a recent enough heartbeat, by its name."""
        oldest = self._now() - timedelta(seconds=within_s)
        return {name: queues for name, (at, queues) in self._heartbeats.items() if at >= oldest}

    def served(self, within_s: float, besides: str) -> frozenset[str]:
        """Return the queues of all processes with a recent enough heartbeat, except one process."""
        oldest = self._now() - timedelta(seconds=within_s)
        rows = self._heartbeats.items()
        served = (queues for name, (at, queues) in rows if name != besides and at >= oldest)
        return frozenset().union(*served)
