from collections.abc import Callable
from datetime import datetime

from application.ports.heartbeats import Heartbeats
from tests.support.memory.database import Tables


class MemoryHeartbeats(Heartbeats):
    """The heartbeats in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._heartbeats = tables.heartbeats
        self._now = now

    def beat(self, process: str) -> datetime:
        """Write down that a process can write; return the database's time."""
        self._heartbeats[process] = self._now()
        return self._heartbeats[process]
