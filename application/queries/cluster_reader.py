"""Reads about the cluster: metrics, engine, queue and outcomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from application.errors import NotFound
from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint
from application.ports.dashboard_queries import DashboardQueries, EndedJob, QueueState
from application.ports.execution_engine import (
    EngineDescription,
    ExecutionEngine,
    LanguageSupport,
    RuntimeSupport,
)
from application.queries.time_ranges import time_slices
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus

MAX_MINUTES = 60
CLUSTER_NAME_MAX_CHARS = 255
_SHORT_PERIODS_S = (10, 30)
_PERIOD_UNIT_S = 60
# The maximum number of jobs that the figures of a slice are based on: enough for percentiles, and quick to
# read.
MAX_JOBS = 100
_SLICES = 20
_MEDIAN, _P95 = 0.5, 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSlice:
    """The jobs that ended in one slice of time. Times are in milliseconds; figures are None without jobs.

    Attributes:
        jobs: How many jobs the figures are based on: all, or the last MAX_JOBS.
        success_rate: The share of the jobs that succeeded, not counting cancelled ones, from 0 to 1.
        wait_ms: The median of the time from the request to the claim by a worker.
        median_ms: The median of the time from the request to the end.
        p95_ms: The 95th percentile of the time from the request to the end.
    """

    begin: datetime
    jobs: int
    success_rate: float | None
    wait_ms: float | None
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """The engine, and how busy it is.

    Attributes:
        slots: How many programs each worker runs at once.
    """

    description: EngineDescription
    languages: Sequence[LanguageSupport]
    slots: int
    queue: QueueState


class ClusterReader:
    """Reads the metrics of the machines, the state of the engine, and the outcomes of jobs.

    The periods of metrics are those of CloudWatch (GetMetricData, API reference): 10, 30 or a multiple of 60
    seconds.

    Args:
        slots: How many programs each worker runs at once.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        metrics: ClusterMetrics,
        dashboard_queries: DashboardQueries,
        clock: Clock,
        slots: int,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._dashboard_queries = dashboard_queries
        self._clock = clock
        self._slots = slots

    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages that the engine knows, and whether they are available here."""
        return self._engine.languages()

    def runtimes(self) -> Sequence[RuntimeSupport]:
        """Return the runtimes, default runtimes first."""
        return self._engine.runtimes()

    def addresses(self) -> Sequence[str]:
        """Return the addresses of a remote engine."""
        return self._engine.describe().addresses

    def engine(self) -> EngineState:
        """Return the engine, how it enforces limits, and its queue."""
        return EngineState(
            description=self._engine.describe(),
            languages=self._engine.languages(),
            slots=self._slots,
            queue=self._dashboard_queries.queue(),
        )

    def utilization(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the CPU and memory utilization of a cluster in the last minutes, ascending.

        Raises:
            InvalidValue: The minutes or the period are out of range.
            NotFound: There are no points, or no such cluster.
        """
        if not 1 <= minutes <= MAX_MINUTES:
            raise InvalidValue("minutes", text("problems.from_1", maximum=MAX_MINUTES))
        in_range = 0 < period_s <= MAX_MINUTES * _PERIOD_UNIT_S
        if not in_range or (period_s % _PERIOD_UNIT_S and period_s not in _SHORT_PERIODS_S):
            raise InvalidValue("period", text("problems.period"))
        points = self._metrics.utilization(_check_cluster_name(cluster), minutes, period_s)
        if not points:
            raise NotFound("metrics of cluster", cluster)
        return points

    def metric_names(self, cluster: str) -> Sequence[str]:
        """Return the names of a cluster's metrics, sorted.

        Raises:
            NotFound: Nothing is measured, or there is no such cluster.
        """
        names = self._metrics.metric_names(_check_cluster_name(cluster))
        if not names:
            raise NotFound("metrics of cluster", cluster)
        return names

    def outcomes(self, minutes: int) -> Sequence[OutcomeSlice]:
        """Return the success rates and durations of jobs in the last minutes, slice by slice, ascending.

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
        p95_ms=_percentile(took, _P95),
    )


def _percentile(values: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank percentile: the smallest value that at least this share does not exceed."""
    if not values:
        return None
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def _milliseconds(duration: timedelta) -> float:
    return max(duration / timedelta(milliseconds=1), 0.0)


def _check_cluster_name(cluster: str) -> str:
    """Check that a text is a valid cluster name.

    Raises:
        InvalidValue: It is not.
    """
    if not (1 <= len(cluster) <= CLUSTER_NAME_MAX_CHARS and cluster.isprintable()):
        raise InvalidValue("clusterName", text("problems.printable_length", maximum=CLUSTER_NAME_MAX_CHARS))
    return cluster
