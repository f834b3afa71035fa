"""Command: end an execution whose lease has expired, and run its job again if it is allowed to."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from application.errors import CorruptRow
from application.job_entries import record_for_job
from application.log_context import logging_about
from application.metrics import LEASES_EXPIRED, ORPHANS_RECOVERED
from application.outbox_writer import OutboxWriter
from application.poison_jobs import PoisonJobHandler
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.measurements import Measurements
from application.ports.output_feed import OutputChunk, OutputFeed, Stream
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.use_cases.wake_workers import WakeWorkers
from domain.audit import Act, AuditEntryId, Usage
from domain.catalogue.text import text
from domain.events import Event
from domain.execution import Execution, ExecutionResult, Output
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.retrying import Backoff
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")

_LOST = ExecutionResult.failed(Reason.WORKER_LOST, text("outcomes.worker_lost"))
_REPLACED = ExecutionResult.failed(Reason.WORKER_LOST, text("outcomes.worker_replaced"))
_UNREPORTED = ExecutionResult(
    status=JobStatus.TIMEOUT,
    reason=Reason.WALL_TIME_LIMIT,
    error=text("outcomes.unreported"),
)
# The label values of an orphan's outcome in the metrics.
_RUN_AGAIN, _ENDED = "run_again", "ended"


@dataclass(frozen=True, slots=True)
class _Recovery:
    """The outcome of an orphan, and its job; None for the job if its row is corrupt."""

    outcome: str
    job: Job | None


class ExpireExecution:
    """Ends an orphan: an execution whose lease has expired.

    * Its job gets a new execution if it is allowed one; otherwise it ends as FAILED with the reason
      worker_lost. An orphan that was delegated to an engine ends as TIMEOUT; if the job allows a retry for
      that reason, another execution follows after a delay.
    * Its output is the streamed output that the output feed still has.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        outbox_writer: OutboxWriter,
        poison_jobs: PoisonJobHandler,
        output_feed: OutputFeed,
        wake_workers: WakeWorkers,
        measurements: Measurements,
        clock: Clock,
        ids: IdGenerator,
        backoff: Backoff,
        inline_bytes: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._poison_jobs = poison_jobs
        self._output_feed = output_feed
        self._wake_workers = wake_workers
        self._measurements = measurements
        self._clock = clock
        self._ids = ids
        self._backoff = backoff
        self._inline_bytes = inline_bytes

    def __call__(self, overdue: Execution) -> bool:
        """End the execution; return False if its lease was renewed or it ended in the meantime."""
        now = overdue.not_before(self._clock.now())
        next_id, entry_id = ExecutionId(self._ids.new()), AuditEntryId(self._ids.new())
        output = _streamed_output(self._output_feed.recall(overdue.id), self._inline_bytes)

        def work(transaction: Transaction) -> _Recovery | None:
            try:
                before = transaction.jobs.get_of_any_tenant(overdue.job_id)
            except CorruptRow as error:
                if not transaction.executions.expire_lease(overdue.id, now):
                    return None
                self._poison_jobs.end(transaction, overdue, now, error)
                return _Recovery(_ENDED, None)
            if before is None or not transaction.executions.expire_lease(overdue.id, now):
                return None
            # Read again now that it has ended: its start may have been recorded since it was found.
            expired = transaction.executions.get(overdue.id) or overdue
            result = _UNREPORTED if expired.is_delegated else _LOST
            after, execution, events, delay_s = self._following(before, expired, result, next_id, now)
            if not events:
                return None
            transaction.jobs.replace(before, after)
            if execution is not None:
                transaction.executions.add(after, execution, delay_s)
            is_outcome = execution is None or expired.is_delegated
            kept = _with_output(result, output) if is_outcome else _of_replaced(output)
            transaction.executions.end(overdue.id, kept, now)
            self._outbox_writer.add(transaction, events, after)
            usage = Usage(executions=int(expired.started_at is not None))  # the processor time is unknown
            record_for_job(transaction, entry_id, Act.JOB_END, before, usage, now)
            return _Recovery(_ENDED if execution is None else _RUN_AGAIN, before)

        recovery = self._unit_of_work.run(work)
        if recovery is None:
            return False
        self._measurements.count(LEASES_EXPIRED)
        self._measurements.count(ORPHANS_RECOVERED, recovery.outcome)
        self._output_feed.close(overdue.id)
        with logging_about(recovery.job, overdue):
            logger.warning("lease expired: execution %s lost its worker %s", overdue.id, overdue.claimed_by)
        if recovery.job is not None:
            self._wake_workers.after_end(recovery.job.tenant)
        return True

    def _following(
        self, job: Job, lost: Execution, result: ExecutionResult, next_id: ExecutionId, now: datetime
    ) -> tuple[Job, Execution | None, tuple[Event, ...], float]:
        """Return the job after a loss, its next execution if it is allowed one, the events, and the delay."""
        if lost.may_run_again(job.spec.allowed_attempts):
            return *job.retry(lost, next_id, now), 0.0
        if job.spec.retries(result.reason, lost.number):
            delay_s = self._backoff.before(lost.number + 1)
            return *job.retry_later(lost, next_id, now, delay_s), delay_s
        after, events = job.complete(lost.id, result, now)
        return after, None, events, 0.0


def _streamed_output(chunks: Iterable[OutputChunk], inline_bytes: int) -> Mapping[Stream, Output]:
    pieces: dict[Stream, dict[int, bytes]] = {stream: {} for stream in Stream}
    for chunk in chunks:
        pieces[chunk.stream][chunk.offset] = chunk.data
    return {stream: Output.of_pieces(pieces[stream], inline_bytes) for stream in Stream}


def _of_replaced(output: Mapping[Stream, Output]) -> ExecutionResult | None:
    """Return the result of a replaced execution: only its program's output, or None without output."""
    has_written = any(written.total_bytes for written in output.values())
    return _with_output(_REPLACED, output) if has_written else None


def _with_output(result: ExecutionResult, output: Mapping[Stream, Output]) -> ExecutionResult:
    return replace(result, stdout=output[Stream.STDOUT], stderr=output[Stream.STDERR])
