from collections.abc import Callable, Sequence
from datetime import datetime

from application.ports.cluster_history import ClusterHistory, ClusterSample, HistoryStep
from tests.support.memory.database import Tables


class MemoryClusterHistory(ClusterHistory):
    """The history in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._rows = tables.cluster_history
        self._now = now

    def missing_minute(self, began_s: float = 0.0) -> datetime | None:
        """Return the beginning of the current minute if it has no sample and is at least this old."""
        now = self._now()
        minute = now.replace(second=0, microsecond=0)
        is_too_soon = (now - minute).total_seconds() < began_s
        return None if is_too_soon or (60, minute) in self._rows else minute

    def add(self, minute: datetime, sample: ClusterSample, steps: Sequence[HistoryStep]) -> bool:
        """Store the sample of a minute, and merge it into the rows of longer periods."""
        if (60, minute) in self._rows:
            return False
        for step in steps:
            place = step.seconds, step.begin_of(minute)
            known = self._rows.get(place)
            self._rows[place] = sample if known is None else known.merged(sample)
            for step_s, begin in tuple(self._rows):
                if step_s == step.seconds and begin < minute - step.kept:
                    del self._rows[step_s, begin]
        return True

    def read(self, step_s: int, since: datetime, until: datetime) -> Sequence[tuple[datetime, ClusterSample]]:
        """Return the rows of a resolution that begin within a period, ascending, with their beginnings."""
        return sorted(
            (begin, sample)
            for (row_step_s, begin), sample in self._rows.items()
            if row_step_s == step_s and since <= begin < until
        )
