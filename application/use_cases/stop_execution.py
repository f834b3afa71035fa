from application.held_executions import HeldExecutions
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import UnitOfWork
from domain.values import ExecutionId, JobId


class StopExecution:
    """Stop a cancelled job's program, if it runs in this process or an engine was entrusted with it.

    Which of several processes tells the engine does not matter: all do, and an engine may be told twice.
    """

    def __init__(self, unit_of_work: UnitOfWork, engine: ExecutionEngine, held: HeldExecutions) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._held = held

    def __call__(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop the execution; one that runs elsewhere, or not at all, is no error."""
        if self._held.holds(execution_id) or self._is_entrusted(execution_id):
            self._engine.cancel(execution_id, job_id)

    def _is_entrusted(self, execution_id: ExecutionId) -> bool:
        execution = self._unit_of_work.read(lambda transaction: transaction.executions.get(execution_id))
        return execution is not None and execution.is_entrusted
