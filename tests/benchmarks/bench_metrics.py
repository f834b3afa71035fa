"""The additional processor time of an upload with metrics, and the duration of a scrape.

`python -m tests.benchmarks.bench_metrics [ROUNDS]`; the default is 300 rounds of ten uploads with metrics and
ten without. The exit code is 1 if the figure misses its target.
"""

import sys
from collections.abc import Callable, Iterable
from ctypes import c_bool

from adapters.prometheus.measurements import PrometheusMeasurements
from application.metrics import Counter, Histogram
from application.ports.measurements import Exposition, Measurements, Sample
from entrypoints.container import Container
from tests.benchmarks.switched_service import switched_service

ROUNDS = 300
# The maximum processor time of an upload, relative to an upload without metrics.
TARGET = 1.03
_UPLOADS = 10
_SCRAPES = 20


class _Switched(Measurements):
    """Metrics that are recorded only while a switch is on."""

    def __init__(self, is_on: c_bool) -> None:
        self._is_on = is_on
        self._kept = PrometheusMeasurements("0")

    def count(self, metric: Counter, *labels: str, by: float = 1.0) -> None:
        if self._is_on.value:
            self._kept.count(metric, *labels, by=by)

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        if self._is_on.value:
            self._kept.observe(metric, value, *labels)

    def watch(self, read: Callable[[], Iterable[Sample]]) -> None:
        self._kept.watch(read)

    def expose(self, *, as_openmetrics: bool = False) -> Exposition:
        return self._kept.expose(as_openmetrics=as_openmetrics)


def main(rounds: int = ROUNDS) -> list[str]:
    """Print the figures; return the names of those that missed their targets."""
    with switched_service(_install) as service:
        with_metrics, without = service.compare(rounds, _UPLOADS)
        ratio = with_metrics / without
        print(f"an upload, processor time: {without:.0f} us without, {with_metrics:.0f} us with metrics")
        print(f"ratio {ratio:.4f}, at most {TARGET:.2f}")
        begin = service.processor_s()
        for _ in range(_SCRAPES):
            text = service.call("GET", "/metrics")
        took_ms = (service.processor_s() - begin) / _SCRAPES * 1_000
        series = sum(not line.startswith(b"#") for line in text.splitlines())
        print(f"a scrape: {took_ms:.1f} ms of processor time, {series} series, {len(text)} bytes")
    return ["upload"] if ratio > TARGET else []


def _install(container: Container, is_on: c_bool) -> Callable[[], object]:
    container.measurements.override(_Switched(is_on))
    return lambda: None


if __name__ == "__main__":
    if too_slow := main(*(int(argument) for argument in sys.argv[1:])):
        sys.exit(f"missed: {', '.join(too_slow)}")
