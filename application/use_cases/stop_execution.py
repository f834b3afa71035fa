from application.held_executions import HeldExecutions
from application.ports.execution_engine import ExecutionEngine
from domain.values import ExecutionId, JobId


class StopExecution:
    """Stop a cancelled job's program, if it runs in this process."""

    def __init__(self, engine: ExecutionEngine, held: HeldExecutions) -> None:
        self._engine = engine
        self._held = held

    def __call__(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop the execution; one that this process does not hold is no error."""
        if self._held.holds(execution_id):
            self._engine.cancel(execution_id, job_id)
