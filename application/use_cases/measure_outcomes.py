from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from application.ports.clock import Clock
from application.ports.dashboard_queries import DashboardQueries, EndedJob
from application.queue_history import time_slices
from domain.job_lifecycle import JobStatus

# How many jobs the figures of a slice rest on at most: enough for percentiles, and always as quick to read.
MAX_JOBS = 100
_SLICES = 20
_MEDIAN, _HIGH = 0.5, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSlice:
    """The jobs that ended in one slice of time. Figures of no jobs are None; times are milliseconds.

    Attributes:
        jobs: How many jobs the figures rest on: all, or of more than MAX_JOBS the last.
        success_rate: How many of the jobs that were not cancelled succeeded, from 0 to 1.
        wait_ms: The median of the time from the request to a worker.
        median_ms: The median of the time from the request to the end.
        high_ms: Its 95th percentile.
    """

    begin: datetime
    jobs: int
    success_rate: float | None
    wait_ms: float | None
    median_ms: float | None
    high_ms: float | None


class MeasureOutcomes:
    """Measure how well and how fast jobs ended in the last minutes, slice by slice."""

    def __init__(self, dashboard_queries: DashboardQueries, clock: Clock) -> None:
        self._dashboard_queries = dashboard_queries
        self._clock = clock

    def __call__(self, minutes: int) -> Sequence[OutcomeSlice]:
        """Return the slices, ascending.

        Raises:
            InvalidValue: The minutes are out of range.
        """
        times = time_slices(self._clock.now(), minutes, _SLICES)
        return list(map(_measure, times, self._dashboard_queries.ended(times, MAX_JOBS)))


def _measure(begin: datetime, jobs: Sequence[EndedJob]) -> OutcomeSlice:
    counted = [job for job in jobs if job.status is not JobStatus.CANCELLED]
    took = [_milliseconds(job.ended_at - job.requested_at) for job in counted]
    waited = [_milliseconds(job.claimed_at - job.requested_at) for job in counted if job.claimed_at]
    succeeded = sum(job.status is JobStatus.SUCCESS for job in counted)
    return OutcomeSlice(
        begin=begin,
        jobs=len(jobs),
        success_rate=succeeded / len(counted) if counted else None,
        wait_ms=_percentile(waited, _MEDIAN),
        median_ms=_percentile(took, _MEDIAN),
        high_ms=_percentile(took, _HIGH),
    )


def _percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile: the least value that so many of all do not exceed."""
    if not values:
        return None
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def _milliseconds(duration: timedelta) -> float:
    return max(duration / timedelta(milliseconds=1), 0.0)
