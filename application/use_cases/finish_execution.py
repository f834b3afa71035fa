"""Command: store the log of an execution, and complete it."""

import logging
from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from io import BytesIO
from typing import IO

from application.blobs import Blobs
from application.errors import DependencyUnavailable, NotFound, StorageUnavailable
from application.kept_claims import KeptClaims
from application.log_archive import LogArchive, without_log
from application.log_context import outage
from application.ports.clock import Clock
from application.ports.execution_engine import EngineReport
from application.ports.result_spool import KeptResult, ResultSpool
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from application.use_cases.complete_execution import CompleteExecution, MessageKey, discard_result
from domain.execution import Execution, ExecutionResult, Note
from domain.files import JobFile
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")

# The delay between tries to store a result that is held in memory, because log store and disk refuse it.
_AGAIN_AFTER_S = 2.0


class Finish(Enum):
    """What happened to a result."""

    COUNTED = auto()  # the job ended with it
    LATE = auto()  # the job had already ended or has another execution
    KEPT = auto()  # it is on disk; the job ends when its log is stored
    UNRECORDED = auto()  # it is on disk; the database will decide whether it counts


class FinishExecution:
    """Stores the log of an execution whose program has ended, and completes the execution.

    * The log is stored before the job ends, so that a job that succeeded always has its log.
    * While the log store is unavailable, result and log are kept on this machine's disk. The execution stays
      claimed for as long as they may be kept, so that no worker runs its program again. `StoreKeptResults`
      completes it.
    * While the database accepts no writes, the result is kept on disk too, and `StoreKeptResults` records it.
    * If the disk has no room either, the thread that ran the program holds the result and retries.
    * The result of a cancelled execution does not wait for the log store; its log may be lost.
    * The files that a program wrote are stored before its log. While the code store is unavailable they are
      retried for a while; then they are lost and the result gets a note, but the job ends anyway.
    * A cancelled job may be deleted before its program has ended. Its result is then late, and a log that was
      stored for it is recorded for deletion.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        log_archive: LogArchive,
        blobs: Blobs,
        spool: ResultSpool,
        complete_execution: CompleteExecution,
        retry: RetryPolicy,
        clock: Clock,
        kept_claims: KeptClaims,
        kept_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._log_archive = log_archive
        self._blobs = blobs
        self._spool = spool
        self._complete_execution = complete_execution
        self._retry = retry
        self._clock = clock
        self._kept_claims = kept_claims
        self._kept_s = kept_s

    def __call__(self, job: Job, execution: Execution, report: EngineReport) -> Finish:
        """Finish an execution that this process ran, however long that takes.

        Args:
            job: The job as it was when the execution was claimed.
            execution: The execution, with its start if it had one.
            report: The engine's report on its program.
        """
        ended_at = execution.not_before(self._clock.now())
        give_up = self._clock.monotonic() + self._kept_s
        report = self._with_artifacts(job, report)
        while True:
            try:
                with self._log_archive.compose(job, execution.id, report) as (result, log, log_bytes):
                    ended = _ended(job, execution.id, result, ended_at, log_bytes)
                    if log is not None and not self._store_or_keep(ended, log):
                        return self._hold(execution.id)
                return self._complete(job, ended)
            except (StorageUnavailable, OSError) as error:
                if report.result.status is JobStatus.CANCELLED or self._clock.monotonic() > give_up:
                    break
                logger.warning(
                    "the log of execution %s is held in memory, retrying: %s",
                    execution.id,
                    error,
                    extra=outage("log of an execution", str(execution.id)),
                )
                self._clock.sleep(_AGAIN_AFTER_S)
        logger.error("the log of execution %s is lost", execution.id)
        return self._complete(job, _ended(job, execution.id, without_log(report.result), ended_at))

    def _with_artifacts(self, job: Job, report: EngineReport) -> EngineReport:
        """Store the files that a program wrote; return the report with a result that names them."""
        if not report.artifacts:
            return report
        contents = {file.blob.ref: file.blob.content or b"" for file in report.artifacts}
        try:
            self._blobs.put(job.tenant, contents)
        except DependencyUnavailable as error:
            logger.warning("the files that a program of job %s wrote are lost: %s", job.id, error)
            notes = (*report.result.notes, Note.ARTIFACTS_LOST)
            return replace(report, result=replace(report.result, notes=notes))
        artifacts = tuple(JobFile(file.path, file.blob.ref) for file in report.artifacts)
        return replace(report, result=replace(report.result, artifacts=artifacts))

    def reported(
        self, job: Job, execution_id: ExecutionId, report: EngineReport, message: MessageKey
    ) -> Finish:
        """Finish a delegated execution that its engine has reported.

        Raises:
            StorageUnavailable: The log can be neither stored nor kept; the engine must report again.
            DependencyUnavailable: The database accepts no writes; the engine must report again.
        """
        ended_at = self._clock.now()
        try:
            with self._log_archive.compose(job, execution_id, report) as (result, log, log_bytes):
                ended = _ended(job, execution_id, result, ended_at, log_bytes)
                if log is not None and not self._store_or_keep(ended, log):
                    return self._hold(execution_id)
        except OSError as error:
            raise StorageUnavailable("the disk of this machine is full or not writable") from error
        try:
            counted = self._complete_execution(execution_id, result, message, None, ended_at, log_bytes)
        except NotFound:
            discard_result(self._unit_of_work, execution_id, result)
            raise
        return Finish.COUNTED if counted else Finish.LATE

    def _store_or_keep(self, ended: KeptResult, log: IO[bytes]) -> bool:
        """Store a log; if the log store is unavailable, keep it with its result and return False."""
        result = ended.result
        if result.log_key is None:
            return True
        try:
            self._log_archive.store(result.log_key, log)
        except StorageUnavailable as error:
            if result.status is JobStatus.CANCELLED:
                raise
            log.seek(0)
            self._spool.keep(ended, log)
            logger.warning("the result of execution %s is kept on disk: %s", ended.execution_id, error)
            return False
        return True

    def _hold(self, execution_id: ExecutionId) -> Finish:
        return Finish.KEPT if self._kept_claims.hold(execution_id) else Finish.UNRECORDED

    def _complete(self, job: Job, ended: KeptResult) -> Finish:
        """Complete an execution that ran here; its result waits on disk while the database is unavailable."""

        def complete() -> Finish:
            try:
                counted = self._complete_execution(
                    ended.execution_id, ended.result, None, job, ended.ended_at, ended.log_bytes
                )
            except NotFound:
                discard_result(self._unit_of_work, ended.execution_id, ended.result)
                return Finish.LATE
            return Finish.COUNTED if counted else Finish.LATE

        try:
            return complete()
        except DependencyUnavailable as error:
            if not self._keep_unrecorded(ended):
                return self._retry(complete)
            logger.warning("the result of execution %s is kept on disk: %s", ended.execution_id, error)
            return Finish.UNRECORDED

    def _keep_unrecorded(self, ended: KeptResult) -> bool:
        """Keep a result whose log is already stored or lost; return False if the disk is full."""
        try:
            self._spool.keep(replace(ended, has_log=False), BytesIO())
        except StorageUnavailable as error:
            logger.warning("the result of execution %s is held in memory: %s", ended.execution_id, error)
            return False
        return True


def _ended(
    job: Job, execution_id: ExecutionId, result: ExecutionResult, ended_at: datetime, log_bytes: int = 0
) -> KeptResult:
    return KeptResult(
        execution_id=execution_id, job_id=job.id, result=result, ended_at=ended_at, log_bytes=log_bytes
    )
