"""Metrics in memory."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from application.metrics import Counter, Histogram, Metric
from application.ports.measurements import Exposition, Measurements, Sample


class MemoryMeasurements(Measurements):
    """Metrics for inspection by tests.

    Attributes:
        counted: The counters, by metric and labels.
        observed: The values of the histograms, by metric and labels.
    """

    def __init__(self) -> None:
        self.counted: dict[tuple[Metric, tuple[str, ...]], float] = defaultdict(float)
        self.observed: dict[tuple[Metric, tuple[str, ...]], list[float]] = defaultdict(list)
        self._readers: list[Callable[[], Iterable[Sample]]] = []

    def count(self, metric: Counter, *labels: str, by: float = 1.0) -> None:
        _check(metric, labels)
        self.counted[metric, labels] += by

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        _check(metric, labels)
        self.observed[metric, labels].append(value)

    def watch(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._readers.append(read)

    def expose(self, *, as_openmetrics: bool = False) -> Exposition:  # noqa: ARG002 - the content is empty
        return Exposition(b"", "text/plain")

    def read(self) -> dict[tuple[Metric, tuple[str, ...]], float]:
        """Read the watched figures. If several processes have a figure, the first one's is returned."""
        samples = [sample for read in reversed(self._readers) for sample in read()]
        return {(sample.metric, sample.labels): sample.value for sample in samples}


def _check(metric: Metric, labels: tuple[str, ...]) -> None:
    for label, value in zip(metric.labels, labels, strict=True):
        assert label.values is None or value in label.values, f"{metric.name}: {label.name}={value}"
