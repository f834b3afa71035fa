"""Command: process an engine's report about a delegated execution."""

from application.execution_attributes import attributes_of
from application.log_context import logging_about
from application.ports.engine_report_reader import EngineReportReader
from application.ports.tracing import SpanKind, Tracing
from application.ports.unit_of_work import UnitOfWork
from application.use_cases.complete_execution import MessageKey, awaiting_job
from application.use_cases.finish_execution import Finish, FinishExecution
from application.use_cases.wake_workers import WakeWorkers
from domain.execution_lifecycle import ExecutionState
from domain.values import ExecutionId


class ReportCompletion:
    """Processes the report of the engine that an execution was delegated to.

    * The report is recorded in the inbox, in the transaction that acts on it, so that a duplicate counts
      once.
    * If the engine wrote no log, the log is written here, before the job ends.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        reader: EngineReportReader,
        finish_execution: FinishExecution,
        wake_workers: WakeWorkers,
        tracing: Tracing,
    ) -> None:
        self._tracing = tracing
        self._unit_of_work = unit_of_work
        self._reader = reader
        self._finish_execution = finish_execution
        self._wake_workers = wake_workers

    def __call__(self, execution_id: ExecutionId, report: bytes, message: MessageKey) -> bool:
        """Complete the execution; return whether this report was the one that counted.

        Raises:
            InvalidValue: The report cannot be read, or belongs to another job.
            NotFound: There is no such execution.
            StorageUnavailable: The log can be neither stored nor kept; the engine must report again.
        """
        awaiting = self._unit_of_work.read(lambda transaction: awaiting_job(transaction, execution_id))
        if awaiting is None:
            return False  # a late report needs no log
        job, execution = awaiting
        if execution.state is ExecutionState.SPOOLED:
            return False  # the result of an earlier report is kept
        with (
            logging_about(job, execution),
            self._tracing.span("take report", attributes_of(job, execution), kind=SpanKind.CONSUMER),
            self._reader.read(report, job) as read,
        ):
            finish = self._finish_execution.reported(job, execution_id, read, message)
        self._wake_workers.after_end(job.tenant)
        return finish is not Finish.LATE
