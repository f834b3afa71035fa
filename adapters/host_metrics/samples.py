import threading
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean

from application.ports.cluster_metrics import MetricPoint

_KEPT_S = 3_600


@dataclass(frozen=True, slots=True)
class Sample:
    """The measurements of one moment, in percent; None where there is none."""

    taken_at: datetime
    cpu: float | None
    memory: float | None


class Samples:
    """The samples of the last hour. Safe to use from several threads."""

    def __init__(self, interval_s: float) -> None:
        self._samples: deque[Sample] = deque(maxlen=int(_KEPT_S / interval_s) + 1)
        self._lock = threading.Lock()

    def add(self, sample: Sample) -> None:
        """Keep a sample; the oldest one gives way."""
        with self._lock:
            self._samples.append(sample)

    def averages(self, since: datetime, until: datetime, period_s: int) -> Sequence[MetricPoint]:
        """Return the average of each period that has a sample, ascending.

        Periods begin at multiples of their length since the epoch, as CloudWatch's do. The first one is
        whole, even where `since` is in the middle of it.
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


def _begin(moment: datetime, period_s: int) -> int:
    seconds = int(moment.timestamp())
    return seconds - seconds % period_s


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 2) if known else None
