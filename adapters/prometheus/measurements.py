"""The metrics of a process, kept by Prometheus's client library."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from threading import Lock
from typing import TypeAlias, TypeVar

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from application.errors import DependencyUnavailable
from application.log_context import current_trace_id, outage_of
from application.metrics import (
    METRICS,
    OTHER,
    PREFIX,
    READ_ERRORS,
    Counter,
    Gauge,
    Histogram,
    Label,
    Metric,
    series_of,
)
from application.ports.measurements import Exposition, Measurements, Sample

logger = logging.getLogger("service_server.metrics")

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily
Kept = TypeVar("Kept", prometheus.Counter, prometheus.Histogram)
_Series: TypeAlias = tuple[Metric, tuple[str, ...]]
_NAMESPACE = PREFIX.removesuffix("_")
# The label name of exemplars, by the conventions of OpenMetrics and OpenTelemetry.
_TRACE_ID = "trace_id"
# Counters with up to this many series show all of them from the start.
_FEW = 24


class PrometheusMeasurements(Measurements):
    """The service's metrics, and the process's own: processor time, memory, open files.

    Args:
        version: The version of the service.
    """

    def __init__(self, version: str) -> None:
        # Creation times would add another series to each metric.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = prometheus.CollectorRegistry()
        self._readers: list[Callable[[], Iterable[Sample]]] = []
        self._values: dict[Label, set[str]] = defaultdict(set)
        self._lock = Lock()
        self._counters = {
            metric: prometheus.Counter(
                metric.name, metric.help, _label_names(metric), _NAMESPACE, registry=None
            )
            for metric in METRICS
            if isinstance(metric, Counter)
        }
        for metric, counter in self._counters.items():
            _begin_at_zero(metric, counter)
        self._histograms = {
            metric: prometheus.Histogram(
                metric.name,
                metric.help,
                _label_names(metric),
                _NAMESPACE,
                buckets=metric.buckets,
                registry=self._registry,
            )
            for metric in METRICS
            if isinstance(metric, Histogram)
        }
        self._counted: dict[_Series, prometheus.Counter] = {}
        self._observed: dict[_Series, prometheus.Histogram] = {}
        self._registry.register(_Collector(self._collect))
        prometheus.ProcessCollector(_NAMESPACE, registry=self._registry)
        build = prometheus.Gauge(
            "build_info", "The version of the service.", ["version"], _NAMESPACE, registry=self._registry
        )
        build.labels(version).set(1)

    def count(self, metric: Counter, *labels: str, by: float = 1.0) -> None:
        """Add to a counter."""
        self._one_of(self._counted, self._counters[metric], metric, labels).inc(by)

    def observe(self, metric: Histogram, value: float, *labels: str) -> None:
        """Add a value to a histogram."""
        trace_id = current_trace_id()
        self._one_of(self._observed, self._histograms[metric], metric, labels).observe(
            value, None if trace_id is None else {_TRACE_ID: trace_id}
        )

    def watch(self, read: Callable[[], Iterable[Sample]]) -> None:
        """Register a function that reads figures at each exposition."""
        self._readers.append(read)

    def expose(self, *, as_openmetrics: bool = False) -> Exposition:
        """Return all metrics."""
        if as_openmetrics:
            text = openmetrics.generate_latest(self._registry)  # type: ignore[no-untyped-call]
            return Exposition(text, openmetrics.CONTENT_TYPE_LATEST)
        return Exposition(prometheus.generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def _one_of(
        self, used: dict[_Series, Kept], family: Kept, metric: Metric, labels: tuple[str, ...]
    ) -> Kept:
        """Return a series of a metric. Cached, because the library's lookup by labels is slow."""
        found = used.get((metric, labels))
        if found is None:
            known = self._known(metric, labels)
            found = family.labels(*known) if labels else family
            if known == labels:
                used[metric, labels] = found
        return found

    def _known(self, metric: Metric, labels: tuple[str, ...]) -> tuple[str, ...]:
        """Return label values, with OTHER in place of values that a label does not allow."""
        return tuple(self._value(label, value) for label, value in zip(metric.labels, labels, strict=True))

    def _value(self, label: Label, value: str) -> str:
        if label.values is not None:
            return value if value in label.values else OTHER
        values = self._values[label]
        if value in values:
            return value
        with self._lock:
            if len(values) >= label.at_most:
                return OTHER
            values.add(value)
            return value

    def _collect(self) -> Iterator[prometheus.Metric]:
        """Read the watched figures, and yield their metrics and the counters."""
        # Prometheus rejects duplicate series, so equal ones, such as of OTHER, are summed.
        values: dict[Metric, dict[tuple[str, ...], float]] = defaultdict(lambda: defaultdict(float))
        for read in tuple(self._readers):
            for sample in self._read(read):
                values[sample.metric][self._known(sample.metric, sample.labels)] += sample.value
        families = {metric: _family(metric, found) for metric, found in values.items()}
        yield from families.values()
        for metric, counter in self._counters.items():
            if metric not in families:
                yield from counter.collect()

    def _read(self, read: Callable[[], Iterable[Sample]]) -> Iterable[Sample]:
        try:
            return tuple(read())
        except DependencyUnavailable as error:
            logger.warning("metrics are incomplete: %s", error, extra=outage_of(error))
            self.count(READ_ERRORS, error.dependency)
        except Exception:  # the other metrics are still exposed
            logger.exception("metrics are incomplete")
            self.count(READ_ERRORS, OTHER)
        return ()


class _Collector(Collector):
    """A collector without `describe`, so that the library does not ask for metric names in advance."""

    def __init__(self, collect: Callable[[], Iterator[prometheus.Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[prometheus.Metric]:
        """Return the metrics."""
        return self._collect()


def _label_names(metric: Metric) -> list[str]:
    return [label.name for label in metric.labels]


def _family(metric: Metric, values: Mapping[tuple[str, ...], float]) -> Family:
    kind = GaugeMetricFamily if isinstance(metric, Gauge) else CounterMetricFamily
    family = kind(PREFIX + metric.name, metric.help, labels=_label_names(metric))
    for labels, value in values.items():
        family.add_metric(labels, value)
    return family


def _begin_at_zero(metric: Counter, counter: prometheus.Counter) -> None:
    """Create series of a counter at zero, because a rate needs a value from before the first event."""
    begins_with = metric.begins_with
    if series_of(metric) <= _FEW:
        begins_with = tuple(label.values or frozenset() for label in metric.labels)
    for values in product(*map(sorted, begins_with)) if begins_with else ():
        counter.labels(*values)
