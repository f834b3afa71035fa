import logging
from collections.abc import Collection, Sequence

from application.held_executions import HeldExecutions
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.values import ExecutionId

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
        for execution_id in self._unit_of_work.run(lambda transaction: self._renew(transaction, held.keys())):
            logger.info("execution %s is no longer this worker's; stopping it", execution_id)
            self._engine.cancel(execution_id, held[execution_id])

    def _renew(self, transaction: Transaction, held: Collection[ExecutionId]) -> Sequence[ExecutionId]:
        """Return what is lost; an engine's own since it was entrusted with it is not."""
        kept = transaction.executions.renew(self._worker, held, self._lease_s)
        gone = {execution_id: transaction.executions.get(execution_id) for execution_id in set(held) - kept}
        return [execution_id for execution_id, now in gone.items() if now is None or not now.is_entrusted]
