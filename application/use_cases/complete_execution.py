"""Command: record the result of an execution, and end its job."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from application.errors import NotFound
from application.job_entries import record_for_job, usage_of
from application.metrics import LOG_BYTES
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.measurements import Measurements
from application.ports.purge_repository import StoreName
from application.ports.tracing import Tracing
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.audit import NO_USAGE, Act, AuditEntryId, Usage
from domain.execution import Execution, ExecutionResult
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.retrying import Backoff
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")


@dataclass(frozen=True, slots=True)
class MessageKey:
    """The identity of the message that reported a result: its sender, and the sender's id of it."""

    source: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Completion:
    """A result to be recorded, with the ids of its audit entry and of an execution that may follow."""

    execution_id: ExecutionId
    result: ExecutionResult
    log_bytes: int
    entry_id: AuditEntryId
    next_id: ExecutionId

    def end(self, transaction: Transaction, result: ExecutionResult, at: datetime) -> bool:
        """End the execution with a result; return False if it had one."""
        return transaction.executions.end(self.execution_id, result, at, self.log_bytes)

    def record(self, transaction: Transaction, job: Job, at: datetime) -> None:
        """Record the usage of the execution, and make it the owner of the files that its program wrote."""
        artifacts = refer_to_artifacts(transaction, job, self.execution_id, self.result)
        usage = usage_of(self.result, self.log_bytes) + artifacts
        record_for_job(transaction, self.entry_id, Act.JOB_END, job, usage, at)


class CompleteExecution:
    """Records how an execution ended, and ends its job accordingly.

    * If the job allows a retry for this reason and has attempts left, it continues instead: another execution
      follows after a delay.
    * The first result of a job's current execution counts. A late or duplicate result, or one of an execution
      that was replaced, changes nothing and is not an error.
    * A cancelled job stays cancelled; the output that its program produced before the cancellation is kept
      with the execution.
    * The usage is recorded once, with the result that is kept.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        outbox_writer: OutboxWriter,
        clock: Clock,
        ids: IdGenerator,
        measurements: Measurements,
        tracing: Tracing,
        backoff: Backoff,
    ) -> None:
        self._tracing = tracing
        self._measurements = measurements
        self._backoff = backoff
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._clock = clock
        self._ids = ids

    def __call__(
        self,
        execution_id: ExecutionId,
        result: ExecutionResult,
        message: MessageKey | None = None,
        claimed: Job | None = None,
        ended_at: datetime | None = None,
        log_bytes: int = 0,
    ) -> bool:
        """Complete the execution; return whether its result was the one that counted.

        Args:
            execution_id: The execution.
            result: How it ended.
            message: The message that reports the result. If it was processed before, the result counts as a
                duplicate, even if it differs.
            claimed: The job as it was at the claim. If the job has not changed since, which its replacement
                verifies, nothing has to be read.
            ended_at: When the execution ended, as measured by the process that ran it; now, if unknown.
            log_bytes: The size of its log in the log store.

        Raises:
            NotFound: There is no such execution.
        """
        completion = _Completion(
            execution_id=execution_id,
            result=result,
            log_bytes=log_bytes,
            entry_id=AuditEntryId(self._ids.new()),
            next_id=ExecutionId(self._ids.new()),
        )
        now = ended_at or self._clock.now()
        # The job is read if a cancellation may have changed it, if a retry needs its execution, or after a
        # conflict.
        must_read = (
            claimed is None or result.status is JobStatus.CANCELLED or result.reason in claimed.spec.retry_on
        )
        assumed = [] if claimed is None or must_read else [claimed]

        def work(transaction: Transaction) -> bool:
            if message and not self._is_new(transaction, execution_id, message, now):
                return False
            if assumed:
                return self._complete(transaction, completion, assumed.pop(), now)
            awaiting = awaiting_job(transaction, execution_id)
            if awaiting is None:
                return False
            job, execution = awaiting
            time = execution.not_before(now)
            return self._retry_later(transaction, completion, job, execution, time) or self._complete(
                transaction, completion, job, time
            )

        with self._tracing.span("complete execution") as span:
            counted = self._unit_of_work.run(work)
            span.set({"service_server.status": result.status.value, "service_server.counted": counted})
        if counted and log_bytes:
            self._measurements.observe(LOG_BYTES, log_bytes)
        logger.info(
            "execution %s ended as %s%s",
            execution_id,
            result.status,
            "" if counted else "; its job had ended",
        )
        return counted

    def _retry_later(
        self,
        transaction: Transaction,
        completion: _Completion,
        before: Job,
        execution: Execution,
        time: datetime,
    ) -> bool:
        """End the execution and add another one that follows; return False if the job allows none."""
        if not before.spec.retries(completion.result.reason, execution.number):
            return False
        delay_s = self._backoff.before(execution.number + 1)
        after, following, events = before.retry_later(execution, completion.next_id, time, delay_s)
        if following is None:
            return False
        transaction.jobs.replace(before, after)
        completion.end(transaction, completion.result, after.updated_at)
        transaction.executions.add(after, following, delay_s)
        self._outbox_writer.add(transaction, events, after)
        completion.record(transaction, before, time)
        return True

    def _complete(
        self, transaction: Transaction, completion: _Completion, before: Job, time: datetime
    ) -> bool:
        """End the execution and its job; return False if the job had ended."""
        result = completion.result
        after, events = before.complete(completion.execution_id, result, time)
        if events:
            transaction.jobs.replace(before, after)
            is_recorded = completion.end(transaction, result, after.updated_at)
            self._outbox_writer.add(transaction, events, after)
        else:
            kept = replace(result, status=JobStatus.CANCELLED, reason=Reason.CANCELLED)
            is_recorded = before.status is JobStatus.CANCELLED and completion.end(transaction, kept, time)
        if is_recorded:
            completion.record(transaction, before, time)
        return bool(events)

    @staticmethod
    def _is_new(
        transaction: Transaction, execution_id: ExecutionId, message: MessageKey, now: datetime
    ) -> bool:
        # Includes the execution id, because an engine may number its messages per execution.
        return transaction.inbox.add(message.source, f"{execution_id}/{message.message_id}", now)


def refer_to_artifacts(
    transaction: Transaction, job: Job, execution_id: ExecutionId, result: ExecutionResult
) -> Usage:
    """Make an execution the owner of the files that its program wrote; return the usage that they add.

    Raises:
        StorageUnavailable: A file was removed in the hours since it was stored.
    """
    blobs = {file.blob for file in result.artifacts}
    return Usage(stored_bytes=transaction.blobs.refer(job.tenant, execution_id, blobs)) if blobs else NO_USAGE


def awaiting_job(transaction: Transaction, execution_id: ExecutionId) -> tuple[Job, Execution] | None:
    """Return an execution and its job if it is the job's current execution and has no result yet.

    Raises:
        NotFound: There is no such execution.
    """
    execution = transaction.executions.get(execution_id)
    job = None if execution is None else transaction.jobs.get_of_any_tenant(execution.job_id)
    if execution is None or job is None:
        raise NotFound("execution", execution_id)
    if execution.result is not None or job.current_execution_id != execution_id:
        return None
    return job, execution


def discard_result(unit_of_work: UnitOfWork, execution_id: ExecutionId, result: ExecutionResult) -> None:
    """Schedule the deletion of the log of an execution whose job was deleted."""
    logger.warning("the result of execution %s was discarded: its job was deleted", execution_id)
    key = result.log_key
    if key is not None:
        unit_of_work.run(lambda transaction: transaction.purges.delete_object(StoreName.LOG, key))
