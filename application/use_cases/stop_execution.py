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
    """Stops an execution whose job has ended, or has another execution by now.

    * An engine that knows jobs only stops every program of a job. So it is asked when the job has ended: by
      the process that holds the execution, or by every process if the engine was delegated with it.
    * Cases of the job that are run here are stopped as an execution that this process holds.
    * An engine may be asked twice.
    * An execution that was replaced is not mentioned to the engine, which may be running its replacement.
    * A job that was deleted meanwhile had ended, and has no other execution: its engine is asked.
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
        """Stop the execution; one that runs elsewhere, or not at all, is no error."""
        execution, job = self._unit_of_work.read(lambda transaction: _find(transaction, execution_id, job_id))
        if execution is None or job is None:
            logger.info("the job of execution %s was deleted; stopping it", execution_id)
            self._engine.cancel(execution_id, job_id)
            return
        with logging_about(job, execution):
            if job.current_execution_id != execution_id:
                logger.info("execution %s has lost its lease, and another took its place", execution_id)
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
