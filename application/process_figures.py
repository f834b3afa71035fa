"""The figures of this process that are read when its metrics are."""

from collections.abc import Iterable

from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.metrics import (
    DEPENDENCY_UP,
    PENDING_RESULTS,
    WARM_READY,
    WARM_STARTS,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
)
from application.ports.execution_engine import ExecutionEngine
from application.ports.measurements import Sample
from application.ports.result_spool import ResultSpool
from application.use_cases.check_health import CheckHealth


class ProcessFigures:
    """Reads how busy this process is, which programs started warm, and which parts of the service answer it.

    Args:
        slots: How many programs it runs at once; 0 where it runs none.
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
            StorageUnavailable: This machine's disk refuses.
        """
        yield Sample(WORKER_SLOTS, self._slots)
        # The leader of a job's cases holds an execution, and a range of them with the same thread.
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
