from collections.abc import Sequence

from application.errors import NotFound
from application.ports.cluster_metrics import ClusterMetrics
from application.use_cases.read_cluster_metrics import check_cluster_name


class ListMetricNames:
    """List what is measured of a cluster."""

    def __init__(self, metrics: ClusterMetrics) -> None:
        self._metrics = metrics

    def __call__(self, cluster: str) -> Sequence[str]:
        """Return the names, sorted.

        Raises:
            NotFound: Nothing is measured, or there is no such cluster.
        """
        names = self._metrics.metric_names(check_cluster_name(cluster))
        if not names:
            raise NotFound("metrics of cluster", cluster)
        return names
