from collections.abc import Mapping

from application.held_executions import HeldExecutions
from application.ports.execution_engine import ExecutionEngine
from application.use_cases.renew_leases import RenewLeases
from domain.values import ExecutionId, JobId


class ReleaseExecutions:
    """Stop what this process runs, in order to end: whoever runs it gives it back.

    The leases are renewed before, so that nobody begins any of it anew while the engine is told. What is
    found to be lost then is not given back: it is somebody else's.
    """

    def __init__(self, renew_leases: RenewLeases, engine: ExecutionEngine, held: HeldExecutions) -> None:
        self._renew_leases = renew_leases
        self._engine = engine
        self._held = held

    def __call__(self) -> Mapping[ExecutionId, JobId]:
        """Release everything that is held; return what is lost."""
        held = self._held.snapshot()
        lost = self._renew_leases()
        self._held.release(held.keys() - lost.keys())
        for execution_id, job_id in held.items():
            self._engine.let_go(execution_id, job_id)
        return lost
