from application.loading import awaiting_job
from application.log_archive import LogArchive
from application.ports.engine_report_reader import EngineReportReader
from application.ports.unit_of_work import UnitOfWork
from application.use_cases.complete_execution import CompleteExecution, Receipt
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
        job = self._unit_of_work.read(lambda transaction: awaiting_job(transaction, execution_id))
        if job is None:
            return False  # a late one needs no log
        with self._reader.read(report, job) as read:
            result = self._log_archive.archive(job, execution_id, read)
        return self._complete_execution(execution_id, result, receipt)
