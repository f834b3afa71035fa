"""Command: record the state of the queue and the machines in the present minute."""

import logging
from datetime import datetime, timedelta

from application.errors import DependencyUnavailable, NotFound
from application.ports.clock import Clock
from application.ports.cluster_history import ClusterSample, HistoryStep
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint
from application.ports.dashboard_queries import DashboardQueries
from application.ports.unit_of_work import UnitOfWork

logger = logging.getLogger("service_server.cluster")

_MINUTE_S = 60
# Metrics of machines may be some minutes late.
_METRICS_OF_MINUTES = 5


class RecordClusterSample:
    """Records one sample per minute, in whichever process checks first.

    * Every process checks, so that there is a history as long as any process runs, without a leader.
    * A process that runs no programs leaves the first half of the minute to processes that do, because only
      the metrics of their machines are of interest.
    * Metrics of machines are left out while they are unavailable.

    Args:
        cluster: The name of the machines in the metrics.
        steps: The resolutions of the history, of which the first is a minute.
        patience_s: How old a minute must be before this process records it.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        dashboard_queries: DashboardQueries,
        metrics: ClusterMetrics,
        clock: Clock,
        cluster: str,
        steps: tuple[HistoryStep, ...],
        patience_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._metrics = metrics
        self._clock = clock
        self._cluster = cluster
        self._steps = steps
        self._patience_s = patience_s

    def __call__(self) -> bool:
        """Record a sample of the present minute; return False if it already has one.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        minute = self._unit_of_work.read(
            lambda transaction: transaction.cluster_history.missing_minute(self._patience_s)
        )
        if minute is None:
            return False
        sample = self._take(minute)
        return self._unit_of_work.run(
            lambda transaction: transaction.cluster_history.add(minute, sample, self._steps)
        )

    def _take(self, minute: datetime) -> ClusterSample:
        queue, now = self._dashboard_queries.queue(), self._clock.now()
        waited = now - (queue.oldest_waits_since or now)
        point = self._measure(minute)
        cpu, memory = (None, None) if point is None else (point.cpu_utilization, point.memory_utilization)
        return ClusterSample(
            waiting=queue.waiting,
            running=queue.claimed,
            oldest_wait_ms=max(waited // timedelta(milliseconds=1), 0),
            cpu_percent=cpu,
            memory_percent=memory,
            measured=int(point is not None),
        )

    def _measure(self, minute: datetime) -> MetricPoint | None:
        """Return the latest metrics of the machines, preferably of a whole minute."""
        try:
            points = self._metrics.utilization(self._cluster, _METRICS_OF_MINUTES, _MINUTE_S)
        except (DependencyUnavailable, NotFound) as error:
            logger.debug("no metrics of cluster %s: %s", self._cluster, error)
            return None
        whole = [point for point in points if point.timestamp < minute]
        return next(iter((*whole[-1:], *points[-1:])), None)
