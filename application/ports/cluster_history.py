"""The port to the history of the queue and of the machines."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSample:
    """The queue and the machines within a stretch of time: the highest figures of the queue.

    Attributes:
        waiting: How many executions waited, counted up to one more than COUNTED_UP_TO.
        running: How many were claimed, counted alike.
        oldest_wait_ms: How long the oldest had waited.
        cpu_percent: The average; None where it is not known.
        memory_percent: The same.
        measured: The number of minutes that the two averages rest on.
    """

    waiting: int
    running: int
    oldest_wait_ms: int
    cpu_percent: float | None = None
    memory_percent: float | None = None
    measured: int = 0

    def merged(self, other: Self) -> Self:
        """Return the sample of both stretches of time together."""
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
    """A resolution of the history: the length of each row's time, and how long rows are kept."""

    seconds: int
    kept: timedelta

    def begin_of(self, moment: datetime) -> datetime:
        """Return the begin of the row that has a moment, counted from the epoch."""
        seconds = int(moment.timestamp())
        return datetime.fromtimestamp(seconds - seconds % self.seconds, moment.tzinfo)


class ClusterHistory(ABC):
    """Samples of each minute, and of longer times that stay when the minutes are removed.

    Times are the database's own.
    """

    @abstractmethod
    def missing_minute(self, began_s: float = 0.0) -> datetime | None:
        """Return the begin of the present minute, if it has no sample and began so many seconds ago."""

    @abstractmethod
    def add(self, minute: datetime, sample: ClusterSample, steps: Sequence[HistoryStep]) -> bool:
        """Store the sample of a minute, and merge it into the rows of longer times.

        The rows of each step that are too old are removed. Return False, with nothing changed, if the minute
        has a sample: one of any number of transactions gets True. Of the steps the first is a minute.
        """

    @abstractmethod
    def read(self, step_s: int, since: datetime, until: datetime) -> Sequence[tuple[datetime, ClusterSample]]:
        """Return the rows of a resolution that begin within a time, and their begins, ascending."""
