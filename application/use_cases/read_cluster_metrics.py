from collections.abc import Sequence

from application.errors import NotFound
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint
from domain.errors import InvalidValue

MAX_MINUTES = 60
CLUSTER_NAME_MAX_CHARS = 255
_SHORT_PERIODS_S = (10, 30)
_PERIOD_UNIT_S = 60


class ReadClusterMetrics:
    """Read how busy a cluster's CPU and memory were in the last minutes.

    The periods are those of CloudWatch (GetMetricData, API reference): 10, 30 or a multiple of 60 seconds.
    """

    def __init__(self, metrics: ClusterMetrics) -> None:
        self._metrics = metrics

    def __call__(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the points, ascending.

        Raises:
            InvalidValue: The minutes or the period are out of range.
            NotFound: There are no points, or no such cluster.
        """
        if not 1 <= minutes <= MAX_MINUTES:
            raise InvalidValue("minutes", f"must be from 1 to {MAX_MINUTES}")
        in_range = 0 < period_s <= MAX_MINUTES * _PERIOD_UNIT_S
        if not in_range or (period_s % _PERIOD_UNIT_S and period_s not in _SHORT_PERIODS_S):
            raise InvalidValue("period", "must be 10, 30 or a multiple of 60, and at most 3600")
        points = self._metrics.utilization(check_cluster_name(cluster), minutes, period_s)
        if not points:
            raise NotFound("metrics of cluster", cluster)
        return points


def check_cluster_name(cluster: str) -> str:
    """Check that a text may name a cluster.

    Raises:
        InvalidValue: It may not.
    """
    if not (1 <= len(cluster) <= CLUSTER_NAME_MAX_CHARS and cluster.isprintable()):
        raise InvalidValue("clusterName", f"has 1 to {CLUSTER_NAME_MAX_CHARS} printable characters")
    return cluster
