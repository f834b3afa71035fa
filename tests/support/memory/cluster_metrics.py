from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from statistics import fmean

from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint

_CPU = "CPUUtilization"
_MEMORY = "MemoryUtilization"


class MemoryClusterMetrics(ClusterMetrics):
    """Manually recorded figures, averaged by period."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: list[tuple[str, str, datetime, float]] = []

    def record(self, cluster: str, timestamp: datetime, cpu: float | None, memory: float | None) -> None:
        """Add the figures at a time, in percent; None for a missing figure."""
        measured = ((_CPU, cpu), (_MEMORY, memory))
        self._values += [(cluster, name, timestamp, value) for name, value in measured if value is not None]

    def utilization(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the average of each period within the last minutes, ascending."""
        now = self._clock.now()
        since = _period(now - timedelta(minutes=minutes), period_s)
        recorded = [value for value in self._values if value[0] == cluster and since <= value[2] <= now]
        periods = sorted({_period(timestamp, period_s) for _, _, timestamp, _ in recorded})

        def average(name: str, period: datetime) -> float | None:
            values = [v for _, n, t, v in recorded if n == name and _period(t, period_s) == period]
            return fmean(values) if values else None

        return [MetricPoint(period, average(_CPU, period), average(_MEMORY, period)) for period in periods]

    def metric_names(self, cluster: str) -> Sequence[str]:
        """Return the names of a cluster's recorded metrics, sorted."""
        return sorted({name for recorded, name, _, _ in self._values if recorded == cluster})


def _period(timestamp: datetime, period_s: int) -> datetime:
    seconds = int(timestamp.timestamp())
    return datetime.fromtimestamp(seconds - seconds % period_s, UTC)
