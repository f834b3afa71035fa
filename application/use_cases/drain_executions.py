from collections.abc import Mapping

from application.in_flight_executions import InFlightExecutions
from application.ports.execution_engine import ExecutionEngine
from application.use_cases.renew_leases import RenewLeases
from domain.values import ExecutionId, JobId


class DrainExecutions:
    """Stop what this process runs, in order to end: whoever runs it gives it back.

    The leases are renewed before, so that nobody begins any of it anew while the engine is told. What is
    found to be lost then is not given back: it is somebody else's.
    """

    def __init__(
        self, renew_leases: RenewLeases, engine: ExecutionEngine, in_flight: InFlightExecutions
    ) -> None:
        self._renew_leases = renew_leases
        self._engine = engine
        self._in_flight = in_flight

    def __call__(self) -> Mapping[ExecutionId, JobId]:
        """Release everything that is held; return what is lost."""
        held = self._in_flight.snapshot()
        lost = self._renew_leases()
        self._in_flight.mark_for_requeue(held.keys() - lost.keys())
        for execution_id, job_id in held.items():
            self._engine.detach(execution_id, job_id)
        return lost
