"""Figures that are read when a process is asked for its metrics."""

from collections.abc import Iterable, Sequence
from math import inf
from threading import Lock

from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.metrics import (
    DEAD_LETTERS,
    DELETIONS_PENDING,
    DEPENDENCY_UP,
    OUTBOX_LAG,
    OUTBOX_MESSAGES,
    PENDING_RESULTS,
    QUEUE_DEPTH,
    QUEUE_OLDEST_AGE,
    QUEUE_POSTPONED,
    QUEUE_POSTPONED_OLDEST_AGE,
    WARM_READY,
    WARM_STARTS,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
)
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.measurements import Sample
from application.ports.operation_queries import OperationQueries
from application.ports.result_spool import ResultSpool
from application.use_cases.check_health import CheckHealth

# How long shared figures are cached, in seconds.
_KEPT_S = 5.0


class ProcessFigures:
    """Reads how busy this process is, which programs started warm, and which dependencies respond.

    Args:
        slots: How many programs the process runs at once; 0 if it runs none.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        spool: ResultSpool,
        in_flight: InFlightExecutions,
        in_flight_cases: InFlightCases,
        check_health: CheckHealth,
        slots: int,
    ) -> None:
        self._engine = engine
        self._spool = spool
        self._in_flight = in_flight
        self._in_flight_cases = in_flight_cases
        self._check_health = check_health
        self._slots = slots

    def __call__(self) -> Iterable[Sample]:
        """Yield the figures.

        Raises:
            StorageUnavailable: This machine's disk cannot be read.
        """
        yield Sample(WORKER_SLOTS, self._slots)
        # The leader of a job's cases holds both an execution and a range of cases on the same thread.
        led = self._in_flight.snapshot()
        helped = [of for of, _job in self._in_flight_cases.snapshot().values() if of not in led]
        yield Sample(WORKER_SLOTS_BUSY, len(led) + len(helped))
        yield Sample(PENDING_RESULTS, len(self._spool.names()))
        for kind, starts in self._engine.warm_starts().items():
            yield Sample(WARM_STARTS, starts.hits, (kind, "hit"))
            yield Sample(WARM_STARTS, starts.misses, (kind, "miss"))
            yield Sample(WARM_READY, starts.ready, (kind,))
        for part in self._check_health():
            yield Sample(DEPENDENCY_UP, int(part.is_healthy), (part.name,))


class SharedFigures:
    """Reads the figures that all processes share: of the queue, the outbox, dead letters and deletions.

    They are cached for some seconds, so that frequent scrapes are cheap.
    """

    def __init__(self, operation_queries: OperationQueries, clock: Clock) -> None:
        self._queries = operation_queries
        self._clock = clock
        self._lock = Lock()
        self._kept: Sequence[Sample] = ()
        self._kept_until = -inf

    def __call__(self) -> Iterable[Sample]:
        """Return the figures.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        with self._lock:
            if self._clock.monotonic() >= self._kept_until:
                self._kept = tuple(self._read())
                self._kept_until = self._clock.monotonic() + _KEPT_S
            return self._kept

    def _read(self) -> Iterable[Sample]:
        now = self._clock.now()
        for tenants, backlog in self._queries.queue().items():
            yield Sample(QUEUE_DEPTH, backlog.number, (tenants,))
            yield Sample(QUEUE_OLDEST_AGE, backlog.age_s(now), (tenants,))
        postponed = self._queries.postponed()
        yield Sample(QUEUE_POSTPONED, postponed.number)
        yield Sample(QUEUE_POSTPONED_OLDEST_AGE, postponed.age_s(now))
        outbox = self._queries.outbox()
        yield Sample(OUTBOX_MESSAGES, outbox.number)
        yield Sample(OUTBOX_LAG, outbox.age_s(now))
        yield Sample(DEAD_LETTERS, self._queries.dead_deliveries(), ("webhooks",))
        yield Sample(DELETIONS_PENDING, self._queries.pending_deletions())
