"""Metrics for a process that keeps none."""

from collections.abc import Callable, Iterable

from application.metrics import Counter, Histogram
from application.ports.measurements import Exposition, Measurements, Sample


class NoMeasurements(Measurements):
    """Discards all metrics, for commands, which end before metrics could be scraped."""

    def count(self, metric: Counter, *labels: str, by: float = 1.0) -> None:
        """Do nothing."""

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """Do nothing."""

    def watch(self, read: Callable[[], Iterable[Sample]]) -> None:
        """Do nothing."""

    def expose(self, *, as_openmetrics: bool = False) -> Exposition:  # noqa: ARG002 - the port's
        """Return an empty text."""
        return Exposition(b"", "text/plain; version=0.0.4; charset=utf-8")
