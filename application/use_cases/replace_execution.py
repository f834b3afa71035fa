"""Command: queue a lost or requeued execution again, under a new id."""

import logging
from datetime import datetime

from application.job_entries import record_for_job, usage_of
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.audit import Act, AuditEntryId
from domain.events import Event
from domain.execution import Execution, ExecutionResult
from domain.job import Job
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.executions")


class ReplaceExecution:
    """Replaces an execution with a new one that runs the program again from its beginning.

    * An execution that its engine lost counts as an attempt, and is replaced as often as its job allows.
    * An execution that its worker requeued during its own shutdown does not count as an attempt.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, outbox_writer: OutboxWriter, clock: Clock, ids: IdGenerator
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._clock = clock
        self._ids = ids

    def __call__(
        self, execution_id: ExecutionId, job_id: JobId, failure: ExecutionResult | None = None
    ) -> bool:
        """Replace the execution; return False if it is no longer current or the job allows no other.

        Args:
            execution_id: The execution.
            job_id: Its job.
            failure: The engine's result of the attempt; None if the execution is requeued and does not count.
        """
        now = self._clock.now()
        next_id, entry_id = ExecutionId(self._ids.new()), AuditEntryId(self._ids.new())

        def work(transaction: Transaction) -> bool:
            ended = transaction.executions.get(execution_id)
            before = transaction.jobs.get_of_any_tenant(job_id)
            if ended is None or before is None:
                return False
            after, execution, events = _run_again(before, ended, failure, next_id, ended.not_before(now))
            if execution is None:
                return False
            transaction.jobs.replace(before, after)
            is_recorded = transaction.executions.end(execution_id, failure, after.updated_at)
            if is_recorded and failure is not None:
                record_for_job(
                    transaction, entry_id, Act.JOB_END, before, usage_of(failure), after.updated_at
                )
            transaction.executions.add(after, execution)
            self._outbox_writer.add(transaction, events, after)
            return True

        was_replaced = self._unit_of_work.run(work)
        if was_replaced:
            logger.info("execution %s was replaced by execution %s", execution_id, next_id)
        return was_replaced


def _run_again(
    job: Job, ended: Execution, failure: ExecutionResult | None, next_id: ExecutionId, now: datetime
) -> tuple[Job, Execution | None, tuple[Event, ...]]:
    if failure is None:
        return job.requeue(ended, next_id, now)
    if ended.may_run_again(job.spec.allowed_attempts):
        return job.retry(ended, next_id, now)
    return job, None, ()
