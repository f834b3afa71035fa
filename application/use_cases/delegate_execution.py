"""Command: leave an execution to its engine, which reports its end."""

from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from domain.execution_lifecycle import DELEGATE_PREFIX
from domain.job import Job
from domain.values import ExecutionId

# The time in seconds that an engine has after the program's own limit to report its end.
REPORT_GRACE_S = 30.0


class DelegateExecution:
    """Delegates an execution to the engine that accepted its program and will report its end.

    * The claim passes from this worker to the engine, with a lease that ends some time after the program's
      own limit.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, engine: ExecutionEngine, outcome_retry: RetryPolicy, worker: str
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._outcome_retry = outcome_retry
        self._worker = worker

    def __call__(self, execution_id: ExecutionId, job: Job) -> bool:
        """Delegate the execution; return False if it was cancelled or recovered in the meantime."""
        lease_s = job.spec.limits.timeout_ms / 1000 + REPORT_GRACE_S
        holder = f"{DELEGATE_PREFIX}{self._engine.name}"
        return self._unit_of_work.run(
            lambda transaction: transaction.executions.delegate(execution_id, self._worker, holder, lease_s),
            self._outcome_retry,
        )
