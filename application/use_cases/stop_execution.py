"""Command: stop a running execution."""

import logging

from application.in_flight_cases import InFlightCases
from application.in_flight_executions import InFlightExecutions
from application.log_context import logging_about
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.execution import Execution
from domain.job import Job
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.executions")


class StopExecution:
    """Stops an execution whose job has ended or has another execution by now.

    * Some engines know only jobs and stop every program of a job. An engine is therefore asked to cancel only
      when the job has ended: by the process that holds the execution, or by every process if the execution is
      delegated.
    * Cases of the job that run here are stopped like an execution that this process holds.
    * An engine may be asked more than once.
    * An execution that was replaced is only detached, because the engine may be running its replacement.
    * A job that was deleted in the meantime had ended and has no other execution, so its engine is asked to
      cancel.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        in_flight: InFlightExecutions,
        in_flight_cases: InFlightCases,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._in_flight = in_flight
        self._in_flight_cases = in_flight_cases

    def __call__(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop the execution; it may run elsewhere or not at all."""
        execution, job = self._unit_of_work.read(lambda transaction: _find(transaction, execution_id, job_id))
        if execution is None or job is None:
            logger.info("the job of execution %s was deleted; stopping it", execution_id)
            self._engine.cancel(execution_id, job_id)
            return
        with logging_about(job, execution):
            if job.current_execution_id != execution_id:
                logger.info("execution %s was replaced by another one; detaching it", execution_id)
                self._engine.detach(execution_id, job_id)
            elif job.status.is_terminal and (execution.is_delegated or self._runs(execution_id, job_id)):
                logger.info("the job of execution %s has ended; stopping it", execution_id)
                self._engine.cancel(execution_id, job_id)

    def _runs(self, execution_id: ExecutionId, job_id: JobId) -> bool:
        return self._in_flight.tracks(execution_id) or self._in_flight_cases.works_on(job_id)


def _find(
    transaction: Transaction, execution_id: ExecutionId, job_id: JobId
) -> tuple[Execution | None, Job | None]:
    return transaction.executions.get(execution_id), transaction.jobs.get_of_any_tenant(job_id)
