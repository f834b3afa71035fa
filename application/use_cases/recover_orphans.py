"""Command: recover executions whose lease has expired (the reaper)."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from application.errors import CorruptRow, DependencyUnavailable
from application.job_entries import record_for_job
from application.log_context import logging_about
from application.metrics import LEASES_EXPIRED, ORPHANS_RECOVERED
from application.outbox_writer import OutboxWriter
from application.poison_jobs import PoisonJobHandler
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.id_generator import IdGenerator
from application.ports.measurements import Measurements
from application.ports.output_feed import OutputChunk, OutputFeed, Stream
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.ports.work_queue import WorkQueue
from application.stability_window import StabilityWindow
from application.use_cases.renew_leases import RenewLeases
from application.use_cases.wake_workers import WakeWorkers
from domain.audit import Act, AuditEntryId, Usage
from domain.catalogue.text import text
from domain.events import Event
from domain.execution import Execution, ExecutionResult, Output
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.retrying import Backoff
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.executions")

# How many executions are recovered in one sweep, at most.
_BATCH = 50
_LOST = ExecutionResult.failed(Reason.WORKER_LOST, text("outcomes.worker_lost"))
_REPLACED = ExecutionResult.failed(Reason.WORKER_LOST, text("outcomes.worker_replaced"))
Stop = Callable[[ExecutionId, JobId], None]
# The label values of an orphan's outcome in the metrics.
_RUN_AGAIN, _ENDED = "run_again", "ended"
_UNREPORTED = ExecutionResult(
    status=JobStatus.TIMEOUT,
    reason=Reason.WALL_TIME_LIMIT,
    error=text("outcomes.unreported"),
)


def _leave(_execution_id: ExecutionId, _job_id: JobId) -> None:
    """Leave an execution to its engine."""


class RecoverOrphans:
    """Recovers orphans (executions whose lease has expired) and sends wake-ups again for waiting executions.

    * The job of an orphan gets a new execution if it is allowed one; otherwise it ends as FAILED with the
      reason worker_lost. An orphan that was delegated to an engine ends as TIMEOUT; if the job allows a retry
      for that reason, another execution follows after a delay. The caller has its engine stop it.
    * An orphan's output is the streamed output that the output feed still has.
    * Workers are woken again for executions that have waited unclaimed for long, because their wake-up may be
      lost. Executions held back by their tenant's state or quota are left out.
    * Any number of processes may sweep at the same time: the first write counts.
    * While the database accepts no writes, no worker can renew a lease; when its clock is set forward, every
      lease expires. A process therefore recovers no execution until its writes have succeeded, with an even
      clock, for two renewal intervals (one renewal may fail). The same holds for a process that has just
      started. Each process renews its own executions first.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        work_queue: WorkQueue,
        outbox_writer: OutboxWriter,
        clock: Clock,
        ids: IdGenerator,
        poison_jobs: PoisonJobHandler,
        renew_leases: RenewLeases,
        output_feed: OutputFeed,
        backoff: Backoff,
        worker: str,
        inline_bytes: int,
        engine: ExecutionEngine,
        announce_after_s: float,
        renew_every_s: float,
        max_wake_ups: int,
        wake_workers: WakeWorkers,
        measurements: Measurements,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._work_queue = work_queue
        self._outbox_writer = outbox_writer
        self._clock = clock
        self._ids = ids
        self._poison_jobs = poison_jobs
        self._renew_leases = renew_leases
        self._output_feed = output_feed
        self._backoff = backoff
        self._worker = worker
        self._inline_bytes = inline_bytes
        self._engine = engine
        self._announce_after_s = announce_after_s
        self._window = StabilityWindow(clock, 2 * renew_every_s)
        self._max_wake_ups = max_wake_ups
        self._wake_workers = wake_workers
        self._measurements = measurements

    def __call__(self, stop: Stop = _leave) -> int:
        """Sweep once; return how many executions were recovered or woken for again.

        Args:
            stop: Asks the engine to stop a delegated execution that was recovered, because its program may
                still run.
        """
        try:
            recovered = sum(self._try_to_recover(execution, stop) for execution in self._overdue())
        except DependencyUnavailable:
            self._window.failed()
            raise
        return recovered + self._renotify()

    def _overdue(self) -> Sequence[Execution]:
        self._renew_leases()
        asked, queues = self._clock.monotonic(), self._engine.served_queues()
        database_time, overdue = self._unit_of_work.run(
            lambda transaction: (
                transaction.heartbeats.beat(self._worker, queues),
                transaction.executions.orphaned(_BATCH),
            )
        )
        return overdue if self._window.succeeded(asked, database_time) else ()

    def _try_to_recover(self, overdue: Execution, stop: Stop) -> bool:
        try:
            is_recovered = self.recover(overdue)
        except DependencyUnavailable:
            raise
        except Exception:  # one execution that cannot be recovered must not block the others
            logger.exception("execution %s could not be recovered", overdue.id)
            return False
        if is_recovered and overdue.is_delegated:
            stop(overdue.id, overdue.job_id)
        return is_recovered

    def recover(self, overdue: Execution) -> bool:
        """Recover an execution; return False if its lease was renewed or it ended in the meantime."""
        now = overdue.not_before(self._clock.now())
        next_id, entry_id = ExecutionId(self._ids.new()), AuditEntryId(self._ids.new())
        output = _streamed_output(self._output_feed.recall(overdue.id), self._inline_bytes)

        jobs: list[Job] = []
        outcome = _ENDED

        def work(transaction: Transaction) -> bool:
            nonlocal outcome
            outcome = _ENDED
            try:
                before = transaction.jobs.get_of_any_tenant(overdue.job_id)
            except CorruptRow as error:
                if is_orphan := transaction.executions.expire_lease(overdue.id, now):
                    self._poison_jobs.end(transaction, overdue, now, error)
                return is_orphan
            if before is None:
                return False
            jobs.append(before)
            if not transaction.executions.expire_lease(overdue.id, now):
                return False
            # Read again now that it has ended: its start may have been recorded since it was found.
            expired = transaction.executions.get(overdue.id) or overdue
            result = _UNREPORTED if expired.is_delegated else _LOST
            after, execution, events, delay_s = self._following(before, expired, result, next_id, now)
            if not events:
                return False
            transaction.jobs.replace(before, after)
            if execution is not None:
                outcome = _RUN_AGAIN
                transaction.executions.add(after, execution, delay_s)
            is_outcome = execution is None or expired.is_delegated
            kept = _with_output(result, output) if is_outcome else _of_replaced(output)
            transaction.executions.end(overdue.id, kept, now)
            self._outbox_writer.add(transaction, events, after)
            usage = Usage(executions=int(expired.started_at is not None))  # the processor time is unknown
            record_for_job(transaction, entry_id, Act.JOB_END, before, usage, now)
            return True

        is_orphan = self._unit_of_work.run(work)
        if is_orphan:
            self._measurements.count(LEASES_EXPIRED)
            self._measurements.count(ORPHANS_RECOVERED, outcome)
            self._end(next(iter(jobs), None), overdue)
        return is_orphan

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

    def _end(self, job: Job | None, lost: Execution) -> None:
        self._output_feed.close(lost.id)
        with logging_about(job, lost):
            logger.warning("lease expired: execution %s lost its worker %s", lost.id, lost.claimed_by)
        if job is not None:
            self._wake_workers.after_end(job.tenant)

    def _renotify(self) -> int:
        """Enqueue wake-ups for executions that have waited for long, up to the room left in the queue."""
        room = self._max_wake_ups - self._work_queue.backlog()
        if room <= 0:
            return 0
        languages = self._engine.startable_languages()
        waiting = self._unit_of_work.read(
            lambda transaction: transaction.executions.waiting(self._announce_after_s, room, languages)
        )
        if waiting:
            self._work_queue.wake(len(waiting))
        return len(waiting)


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
