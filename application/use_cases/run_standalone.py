"""Command: run an execution in the process that requested it."""

from collections.abc import Callable, Sequence

from application.ports.unit_of_work import UnitOfWork
from application.use_cases.run_execution import RunExecution
from domain.job import Job
from domain.values import BatchId, ExecutionId

# How long it waits before it retries an unavailable engine.
_AGAIN_AFTER_S = 1.0


class RunStandalone:
    """Runs a given execution, for which no wake-up is sent.

    * It is retried while its engine cannot start it or its tenant holds it back.
    """

    def __init__(self, unit_of_work: UnitOfWork, run_execution: RunExecution) -> None:
        self._unit_of_work = unit_of_work
        self._run_execution = run_execution

    def __call__(self, execution_id: ExecutionId, pause: Callable[[float], bool]) -> None:
        """Run one execution to its end.

        Args:
            execution_id: The execution.
            pause: Waits for a number of seconds between attempts; if the process stops, it returns true at
                once, which ends the attempts.
        """
        self._run_execution(execution_id)
        while self._waits(execution_id) and not pause(_AGAIN_AFTER_S):
            self._run_execution(execution_id)

    def of_batch(self, batch_id: BatchId) -> Sequence[ExecutionId]:
        """Return the executions that a batch requested, in the order of its jobs."""
        jobs = self._unit_of_work.read(
            lambda transaction: transaction.jobs.get_all_of_any_tenant(
                transaction.batches.jobs([batch_id]).get(batch_id, {})
            )
        )
        return [
            job.current_execution_id
            for _job_id, job in sorted(jobs.items())
            if isinstance(job, Job) and job.current_execution_id is not None
        ]

    def _waits(self, execution_id: ExecutionId) -> bool:
        execution = self._unit_of_work.read(lambda transaction: transaction.executions.get(execution_id))
        return execution is not None and execution.claimed_at is None and execution.ended_at is None
