"""The port to the history of the queue and of the machines."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSample:
    """A sample of the queue and the machines over a time; figures of the queue are maxima.

    Attributes:
        waiting: How many executions waited, counted up to one more than COUNTED_UP_TO.
        running: How many executions were claimed, counted in the same way.
        oldest_wait_ms: How long the oldest execution had waited.
        cpu_percent: The average CPU utilization; None if unknown.
        memory_percent: The average memory utilization; None if unknown.
        measured: The number of minutes that the two averages cover.
    """

    waiting: int
    running: int
    oldest_wait_ms: int
    cpu_percent: float | None = None
    memory_percent: float | None = None
    measured: int = 0

    def merged(self, other: Self) -> Self:
        """Return the sample that covers the times of both."""
        return type(self)(
            waiting=max(self.waiting, other.waiting),
            running=max(self.running, other.running),
            oldest_wait_ms=max(self.oldest_wait_ms, other.oldest_wait_ms),
            cpu_percent=_average(self.cpu_percent, self.measured, other.cpu_percent, other.measured),
            memory_percent=_average(self.memory_percent, self.measured, other.memory_percent, other.measured),
            measured=self.measured + other.measured,
        )


def _average(one: float | None, weight: int, other: float | None, other_weight: int) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return (one * weight + other * other_weight) / (weight + other_weight)


@dataclass(frozen=True, slots=True)
class HistoryStep:
    """A resolution of the history: the seconds that a row covers, and how long rows are kept."""

    seconds: int
    kept: timedelta

    def begin_of(self, moment: datetime) -> datetime:
        """Return the start of the row that contains a moment, aligned to the epoch."""
        seconds = int(moment.timestamp())
        return datetime.fromtimestamp(seconds - seconds % self.seconds, moment.tzinfo)


class ClusterHistory(ABC):
    """Samples per minute, and samples of longer times, which are kept for longer.

    Times are the database's own.
    """

    @abstractmethod
    def missing_minute(self, began_s: float = 0.0) -> datetime | None:
        """Return the start of the present minute if it has no sample and is at least `began_s` old."""

    @abstractmethod
    def add(self, minute: datetime, sample: ClusterSample, steps: Sequence[HistoryStep]) -> bool:
        """Store the sample of a minute, and merge it into the rows of longer times.

        Expired rows of each step are removed. If the minute already has a sample, changes nothing and returns
        False; only one of several concurrent transactions gets True. The first step must be a minute.
        """

    @abstractmethod
    def read(self, step_s: int, since: datetime, until: datetime) -> Sequence[tuple[datetime, ClusterSample]]:
        """Return the rows of a resolution that start within a time range, with their starts, ascending."""
