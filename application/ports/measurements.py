"""The port to the metrics of this process."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from application.metrics import Counter, Gauge, Histogram


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric that is read on demand."""

    metric: Gauge | Counter
    value: float
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exposition:
    """All metrics in text format."""

    content: bytes
    media_type: str


class Measurements(ABC):
    """The metrics of this process. Safe to use from several threads, and cheap enough for every request.

    An unknown label value counts as `other`.
    """

    @abstractmethod
    def count(self, metric: Counter, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""

    @abstractmethod
    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """Add a value to a histogram, with the current trace id as its exemplar, if there is one."""

    @abstractmethod
    def watch(self, read: Callable[[], Iterable[Sample]]) -> None:
        """Read values at each exposition; values that are unavailable are omitted."""

    @abstractmethod
    def expose(self, *, as_openmetrics: bool = False) -> Exposition:
        """Return all metrics, in the Prometheus text format or as OpenMetrics."""
