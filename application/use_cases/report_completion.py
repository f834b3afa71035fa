from application.errors import NotFound
from application.log_archive import LogArchive
from application.ports.engine_report_reader import EngineReportReader
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.use_cases.complete_execution import CompleteExecution, Receipt
from domain.job import Job
from domain.values import ExecutionId


class ReportCompletion:
    """Take the report of an engine that was entrusted with an execution.

    The report is recorded in the inbox in the transaction that acts on it, so a report that is delivered
    twice is acted on once. Where the engine wrote no log, the log is written here, before the job ends.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        reader: EngineReportReader,
        log_archive: LogArchive,
        complete_execution: CompleteExecution,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._log_archive = log_archive
        self._complete_execution = complete_execution

    def __call__(self, execution_id: ExecutionId, report: bytes, receipt: Receipt) -> bool:
        """Complete the execution; return whether this report was the one that counted.

        Raises:
            InvalidValue: The report cannot be read, or is that of another job.
            NotFound: There is no such execution.
        """
        job = self._unit_of_work.read(lambda transaction: self._awaiting(transaction, execution_id))
        if job is None:
            return False
        with self._reader.read(report, job) as read:
            result = self._log_archive.archive(job, execution_id, read)
        return self._complete_execution(execution_id, result, receipt)

    @staticmethod
    def _awaiting(transaction: Transaction, execution_id: ExecutionId) -> Job | None:
        """Return the execution's job if a report would count: a late one must not touch the log."""
        execution = transaction.executions.get(execution_id)
        job = None if execution is None else transaction.jobs.get(execution.job_id)
        if execution is None or job is None:
            raise NotFound("execution", execution_id)
        is_awaited = execution.result is None and job.current_execution_id == execution_id
        return job if is_awaited else None
