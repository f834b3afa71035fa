"""Processor and memory utilization of this machine, sampled over the last hour."""

import logging
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from threading import Lock
from typing import Self

import psutil

from adapters.common.background import PeriodicTask
from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint

_KEPT_S = 3_600
_METRIC_NAMES = ("CPUUtilization", "MemoryUtilization")
# CPU utilization is measured between two calls; right after the start, the interval is this short.
_FIRST_INTERVAL_S = 0.1

_log = logging.getLogger("service_server.host_metrics")


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one moment, in percent; None if not measured."""

    taken_at: datetime
    cpu: float | None
    memory: float | None


class Samples:
    """The samples of the last hour. Thread-safe."""

    def __init__(self, interval_s: float) -> None:
        self._samples: deque[Sample] = deque(maxlen=int(_KEPT_S / interval_s) + 1)
        self._lock = Lock()

    def add(self, sample: Sample) -> None:
        """Add a sample, and drop the oldest if the hour is full."""
        with self._lock:
            self._samples.append(sample)

    def averages(self, since: datetime, until: datetime, period_s: int) -> Sequence[MetricPoint]:
        """Return the average of each period that has a sample, in ascending order.

        Periods begin at multiples of their length since the epoch, as CloudWatch's do. The first period is
        complete, even if `since` lies within it.
        """
        periods: defaultdict[int, list[Sample]] = defaultdict(list)
        first = _begin(since, period_s)
        with self._lock:
            samples = tuple(self._samples)
        for sample in samples:
            begin = _begin(sample.taken_at, period_s)
            if first <= begin and sample.taken_at <= until:
                periods[begin].append(sample)
        return [
            MetricPoint(
                datetime.fromtimestamp(begin, UTC),
                _average([sample.cpu for sample in group]),
                _average([sample.memory for sample in group]),
            )
            for begin, group in sorted(periods.items())
        ]


class HostClusterMetrics(ClusterMetrics):
    """The utilization of this machine, sampled on a dedicated thread between `start` and `stop`.

    Args:
        clock: The clock for the samples' times.
        cluster: The cluster name that this machine answers to; None for every name, because a single machine
            is the only cluster.
        interval_s: Seconds between two samples. The shortest period is 10 s.

    Attributes:
        samples: The samples of the last hour.
    """

    def __init__(self, clock: Clock, cluster: str | None = None, interval_s: float = 5.0) -> None:
        self._clock = clock
        self._cluster = cluster
        self._interval_s = interval_s
        self.samples = Samples(interval_s)
        self._is_first_round = True
        self._task: PeriodicTask | None = None

    def start(self) -> None:
        """Take a first sample, of memory only, and start sampling. A second call does nothing."""
        if self._task is None:
            self._sample(with_cpu=False)
            self._is_first_round = True
            self._task = PeriodicTask("host-metrics", self._measure, self._interval_s)
            self._task.start()

    def stop(self) -> None:
        """Stop sampling and wait for the thread. The samples remain readable."""
        if self._task is not None:
            self._task.stop()
            self._task = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def utilization(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the points of the last minutes, in ascending order; none for another cluster."""
        if not self._is_known(cluster):
            return []
        now = self._clock.now()
        return self.samples.averages(now - timedelta(minutes=minutes), now, period_s)

    def metric_names(self, cluster: str) -> Sequence[str]:
        """Return the names of the measurements, sorted; none for another cluster."""
        return _METRIC_NAMES if self._is_known(cluster) else ()

    def _is_known(self, cluster: str) -> bool:
        return self._cluster in {None, cluster}

    def _measure(self) -> None:
        if self._is_first_round:
            psutil.cpu_percent()  # the first call only starts the interval, which is per thread
            time.sleep(_FIRST_INTERVAL_S)
            self._is_first_round = False
        self._sample(with_cpu=True)

    def _sample(self, *, with_cpu: bool) -> None:
        try:
            cpu = psutil.cpu_percent() if with_cpu else None
            self.samples.add(Sample(self._clock.now(), cpu, psutil.virtual_memory().percent))
        except (OSError, psutil.Error) as error:
            _log.warning("the utilization of this machine could not be measured: %s", error)


def _begin(moment: datetime, period_s: int) -> int:
    seconds = int(moment.timestamp())
    return seconds - seconds % period_s


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 2) if known else None
