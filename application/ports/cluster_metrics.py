"""The port to the metrics of the machines that programs run on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """How busy a cluster was in the period that begins at a time, in percent; None where it is not known."""

    timestamp: datetime
    cpu_utilization: float | None
    memory_utilization: float | None


class ClusterMetrics(ABC):
    """Metrics of the machines that programs run on.

    Every method raises DependencyUnavailable when the figures are out of reach.
    """

    @abstractmethod
    def utilization(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the points of the last minutes, ascending; none for a cluster that is not known."""

    @abstractmethod
    def metric_names(self, cluster: str) -> Sequence[str]:
        """Return the names of the metrics, sorted; none for a cluster that is not known."""
