"""Command: stop and requeue the executions of a process that is shutting down."""

from collections.abc import Mapping

from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.ports.execution_engine import ExecutionEngine
from application.use_cases.renew_leases import RenewLeases
from domain.values import ExecutionId, JobId


class DrainExecutions:
    """Stops and requeues the executions of a process that is shutting down.

    * Their leases are renewed first, so that none is recovered as an orphan while its engine stops it.
    * Cases that this process runs for another process's execution are stopped too; other workers may then
      claim them.
    * An execution whose lease is already lost belongs to another worker and is not requeued.
    """

    def __init__(
        self,
        renew_leases: RenewLeases,
        engine: ExecutionEngine,
        in_flight: InFlightExecutions,
        in_flight_cases: InFlightCases,
    ) -> None:
        self._renew_leases = renew_leases
        self._engine = engine
        self._in_flight = in_flight
        self._in_flight_cases = in_flight_cases

    def __call__(self) -> Mapping[ExecutionId, JobId]:
        """Stop every execution in flight; return the executions whose leases are lost, and their jobs."""
        running = self._in_flight.snapshot()
        lost = self._renew_leases()
        self._in_flight.mark_for_requeue(running.keys() - lost.keys())
        for execution_id, job_id in {**running, **dict(self._in_flight_cases.snapshot().values())}.items():
            self._engine.detach(execution_id, job_id)
        return lost
