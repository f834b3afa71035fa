"""The length of the queue over the last hour."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from threading import Lock

from application.ports.clock import Clock
from application.ports.dashboard_queries import DashboardQueries
from domain.catalogue.text import text
from domain.errors import InvalidValue

MAX_MINUTES = 60
SAMPLE_EVERY_S = 5.0
_KEPT = int(MAX_MINUTES * 60 / SAMPLE_EVERY_S * 1.2)  # for those that were taken a little early
_SLICES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSlice:
    """The queue at its longest in one slice of time; None where there is no sample.

    Attributes:
        waiting: How many waited, counted up to one more than COUNTED_UP_TO.
        age_ms: How long the oldest had waited.
    """

    begin: datetime
    waiting: int | None
    age_ms: float | None


@dataclass(frozen=True, slots=True)
class _Sample:
    at: datetime
    waiting: int
    age_ms: float


class QueueHistory:
    """The length of the queue in the last hour, as this process has sampled it.

    It is kept in memory: it begins anew with the process, and all processes on a database see the same.
    """

    def __init__(self, dashboard_queries: DashboardQueries, clock: Clock) -> None:
        self._dashboard_queries = dashboard_queries
        self._clock = clock
        self._samples: deque[_Sample] = deque(maxlen=_KEPT)
        self._lock = Lock()

    @property
    def since(self) -> datetime | None:
        """When the oldest sample was taken."""
        with self._lock:
            return self._samples[0].at if self._samples else None

    def sample(self) -> None:
        """Look at the queue, once.

        Raises:
            DependencyUnavailable: The database is out of reach.
        """
        queue, now = self._dashboard_queries.queue(), self._clock.now()
        age = now - (queue.oldest_waits_since or now)
        sample = _Sample(now, queue.waiting, max(age / timedelta(milliseconds=1), 0.0))
        with self._lock:
            self._samples.append(sample)

    def __call__(self, minutes: int) -> Sequence[QueueSlice]:
        """Return the slices of the last minutes, ascending.

        Raises:
            InvalidValue: The minutes are out of range.
        """
        times = time_slices(self._clock.now(), minutes, _SLICES)
        with self._lock:
            samples = tuple(self._samples)
        return [
            _longest(begin, [sample for sample in samples if begin <= sample.at < end])
            for begin, end in pairwise(times)
        ]


def _longest(begin: datetime, samples: Sequence[_Sample]) -> QueueSlice:
    return QueueSlice(
        begin=begin,
        waiting=max((sample.waiting for sample in samples), default=None),
        age_ms=max((sample.age_ms for sample in samples), default=None),
    )


def time_slices(now: datetime, minutes: int, number: int) -> Sequence[datetime]:
    """Divide the last minutes, `now` included: return the begin of each slice, and the end of the last.

    Raises:
        InvalidValue: The minutes are out of range.
    """
    if not 1 <= minutes <= MAX_MINUTES:
        raise InvalidValue("minutes", text("problems.from_1", maximum=MAX_MINUTES))
    begin = now + timedelta.resolution - timedelta(minutes=minutes)
    return [begin + timedelta(minutes=minutes) * place / number for place in range(number + 1)]
