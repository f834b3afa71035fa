from application.errors import NotFound
from application.log_archive import LogArchive
from application.ports.execution_engine import EngineReport
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.use_cases.complete_execution import CompleteExecution, Receipt
from domain.execution import ExecutionResult
from domain.job import Job
from domain.values import ExecutionId


class ReportCompletion:
    """Take the report of an engine that was entrusted with an execution.

    The report is recorded in the inbox in the transaction that acts on it, so a report that is delivered
    twice is acted on once. Where the engine wrote no log, the log is written here, before the job ends.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, log_archive: LogArchive, complete_execution: CompleteExecution
    ) -> None:
        self._unit_of_work = unit_of_work
        self._log_archive = log_archive
        self._complete_execution = complete_execution

    def __call__(self, execution_id: ExecutionId, result: ExecutionResult, receipt: Receipt) -> bool:
        """Complete the execution; return whether this report was the one that counted.

        Raises:
            NotFound: There is no such execution.
        """
        job = self._unit_of_work.run(lambda transaction: self._job(transaction, execution_id))
        archived = self._log_archive.archive(job, execution_id, EngineReport(result))
        return self._complete_execution(execution_id, archived, receipt)

    @staticmethod
    def _job(transaction: Transaction, execution_id: ExecutionId) -> Job:
        execution = transaction.executions.get(execution_id)
        job = None if execution is None else transaction.jobs.get(execution.job_id)
        if job is None:
            raise NotFound("execution", execution_id)
        return job
