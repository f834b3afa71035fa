"""The port to the metrics of the machines that programs run on."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """The utilization of a cluster in the period that starts at a time, in percent; None if unknown."""

    timestamp: datetime
    cpu_utilization: float | None
    memory_utilization: float | None


class ClusterMetrics(ABC):
    """Metrics of the machines that programs run on.

    Every method raises DependencyUnavailable if the metrics are unavailable.
    """

    @abstractmethod
    def utilization(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the points of the last minutes, ascending; empty for an unknown cluster."""

    @abstractmethod
    def metric_names(self, cluster: str) -> Sequence[str]:
        """Return the names of the metrics, sorted; empty for an unknown cluster."""
