import logging

from application.held_executions import HeldExecutions
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import UnitOfWork

logger = logging.getLogger("service_server.executions")


class RenewLeases:
    """Extend this process's claims on what it runs, and stop what it has lost: cancelled, or rescued."""

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        held: HeldExecutions,
        worker: str,
        lease_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._held = held
        self._worker = worker
        self._lease_s = lease_s

    def __call__(self) -> None:
        """Renew all the leases in one transaction."""
        held = self._held.snapshot()
        if not held:
            return
        kept = self._unit_of_work.run(
            lambda transaction: transaction.executions.renew(self._worker, held.keys(), self._lease_s)
        )
        for execution_id in held.keys() - kept:
            logger.info("execution %s is no longer this worker's; stopping it", execution_id)
            self._engine.cancel(execution_id, held[execution_id])
