"""Command: claim an execution, run it and complete it: the whole task of a worker."""

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from application.errors import DependencyUnavailable, SecretsUnavailable
from application.execution_attributes import attributes_of
from application.in_flight_executions import InFlightExecutions
from application.log_context import logging_about
from application.metrics import BUILD_TIME, CLAIM_WAIT, START_WAIT
from application.ports.clock import Clock
from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
)
from application.ports.execution_repository import ExecutionRepository
from application.ports.measurements import Measurements
from application.ports.output_feed import OutputChunk, OutputFeed, UsageSample
from application.ports.result_spool import ResultSpool
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import Attributes, SpanKind, Tracing
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from application.use_cases.claim_execution import Claim, ClaimExecution
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.finish_execution import Finish, FinishExecution
from application.use_cases.mark_started import MarkStarted
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.run_cases import RunCases
from application.use_cases.stop_execution import StopExecution
from application.use_cases.wake_workers import WakeWorkers
from domain.arrivals import ArrivalRecorder
from domain.catalogue.text import said_by, text
from domain.execution import Execution, ExecutionResult, Note
from domain.execution_lifecycle import DELEGATE_PREFIX
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.submission import NO_VARIABLES
from domain.values import BatchId, ExecutionId

logger = logging.getLogger("service_server.executions")

# The time in seconds that an engine has after the program's own limit to report its end.
REPORT_GRACE_S = 30.0
# How long a standalone runner waits before it retries an unavailable engine.
_AGAIN_AFTER_S = 1.0


class RunExecution:
    """Claims a waiting execution, runs it, and completes it.

    * A wake-up only means that some execution may be waiting; the database decides which one.
    * A job with cases is led here, and threads that find no waiting execution help with cases: `RunCases`.
    * Secret variables are opened only when the engine is about to start the program. A job whose secrets
      cannot be opened here fails.
    * The claim is a lease that `RenewLeases` extends while the program runs; a worker that loses it can no
      longer write.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        output_feed: OutputFeed,
        in_flight: InFlightExecutions,
        claim_execution: ClaimExecution,
        run_cases: RunCases,
        mark_started: MarkStarted,
        finish_execution: FinishExecution,
        spool: ResultSpool,
        replace_execution: ReplaceExecution,
        defer_execution: DeferExecution,
        stop_execution: StopExecution,
        wake_workers: WakeWorkers,
        secret_sealer: SecretSealer,
        measurements: Measurements,
        tracing: Tracing,
        retry: RetryPolicy,
        clock: Clock,
        worker: str,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._output_feed = output_feed
        self._in_flight = in_flight
        self._claim_execution = claim_execution
        self._run_cases = run_cases
        self._mark_started = mark_started
        self._finish_execution = finish_execution
        self._spool = spool
        self._replace_execution = replace_execution
        self._defer_execution = defer_execution
        self._stop_execution = stop_execution
        self._wake_workers = wake_workers
        self._secret_sealer = secret_sealer
        self._measurements = measurements
        self._tracing = tracing
        self._retry = retry
        self._clock = clock
        self._worker = worker

    def __call__(self, only: ExecutionId | None = None) -> bool:
        """Run one execution to its end, the next or the given one; return False if there is none."""
        if self._spool.is_full():  # do not start work whose result could not be stored
            return False
        asked_at = self._clock.now()
        claim = self._claim_execution(only)
        if claim is None:
            return only is None and self._run_cases.help()
        job, execution = claim.job, claim.execution
        if execution.claimed_at is not None:
            due_at = execution.delayed_until or execution.requested_at
            self._measurements.observe(CLAIM_WAIT, _seconds(execution.claimed_at - due_at))
        with (
            self._in_flight.track(execution.id, job.id),
            logging_about(job, execution),
            self._tracing.span(
                "run execution", attributes_of(job, execution), kind=SpanKind.CONSUMER, begin=asked_at
            ) as span,
        ):
            self._tracing.record("claim", asked_at, self._clock.now())
            report, execution = self._execute(claim)
            if report is not None:
                span.set(_outcome_of(report))
            if report is None:
                self._delegate(job, execution.id)
            else:
                with report:
                    self._finish(job, execution, report)
                self._wake_workers.after_end(job.tenant)
        if self._engine.regained_room():
            self._wake_workers.for_room()
        return True

    def run_standalone(self, execution_id: ExecutionId, pause: Callable[[float], bool]) -> None:
        """Run one execution, and retry while its engine cannot start it or its tenant holds it back.

        No wake-up is sent for it. `pause` waits for a number of seconds between attempts; if the process
        stops, it returns true at once, which ends the attempts.
        """
        self(execution_id)
        while self._waits(execution_id) and not pause(_AGAIN_AFTER_S):
            self(execution_id)

    def of_batch(self, batch_id: BatchId) -> Sequence[ExecutionId]:
        """Return the executions that a batch requested, in the order of its jobs."""
        jobs = self._unit_of_work.read(
            lambda transaction: transaction.jobs.get_all_of_any_tenant(
                transaction.batches.jobs([batch_id]).get(batch_id, {})
            )
        )
        return [
            job.current_execution_id
            for _job_id, job in sorted(jobs.items())
            if isinstance(job, Job) and job.current_execution_id is not None
        ]

    def _waits(self, execution_id: ExecutionId) -> bool:
        execution = self._unit_of_work.read(lambda transaction: transaction.executions.get(execution_id))
        return execution is not None and execution.claimed_at is None and execution.ended_at is None

    def _execute(self, claim: Claim) -> tuple[EngineReport | None, Execution]:
        """Return the program's report, and the execution with its recorded start."""
        job, execution = claim.job, claim.execution
        request = ExecutionRequest(
            execution_id=execution.id,
            job_id=job.id,
            spec=job.spec if execution.stdin is None else job.spec.without_stdin(),
            tenant=job.tenant,
            stdin=job.spec.stdin if execution.stdin is None else execution.stdin,
            open_secrets=partial(self._open_secrets, job),
        )
        observer = _Observer(
            claim,
            self._output_feed,
            self._record_start,
            self._unmark_started,
            self._record_building,
            self._record_notes,
            self._measurements,
            self._tracing,
            self._clock,
        )
        try:
            with (
                self._tracing.span("engine", {"service_server.engine": self._engine.name}),
                closing(observer),
            ):
                report = (
                    self._engine.execute(request, observer)
                    if job.spec.cases is None
                    else self._run_cases(job, request, observer)
                )
        except SecretsUnavailable as error:
            logger.warning("execution %s cannot start: %s", execution.id, error)
            report = EngineReport(
                ExecutionResult.failed(
                    Reason.SECRETS_UNAVAILABLE, text("outcomes.not_started_because", cause=said_by(error))
                )
            )
        except Exception:  # the job must end in spite of a bug in its engine
            logger.exception("the engine failed on execution %s", execution.id)
            report = EngineReport(ExecutionResult.failed(Reason.INTERNAL, text("outcomes.engine_failed")))
        finally:
            self._output_feed.close(execution.id)
        if report is not None:
            report.arrivals = observer.recorder.arrivals
        return report, observer.execution

    def _open_secrets(self, job: Job) -> Mapping[str, str]:
        secrets = job.spec.secrets
        return NO_VARIABLES if secrets is None else self._secret_sealer.open(job.id, secrets)

    def _record_start(self, claim: Claim) -> datetime | None:
        started_at = self._retry(lambda: self._mark_started(claim))
        if started_at is None:  # cancelled, or recovered as an orphan, between the claim and the start
            self._engine.detach(claim.execution.id, claim.job.id)
        return started_at

    def _unmark_started(self, execution_id: ExecutionId) -> None:
        try:
            self._unit_of_work.run(
                lambda transaction: transaction.executions.unmark_started(execution_id, self._worker)
            )
        except DependencyUnavailable as error:
            logger.warning("execution %s is still recorded as started: %s", execution_id, error)

    def _record_building(self, claim: Claim) -> None:
        self._record(
            claim, lambda executions: executions.mark_building(claim.execution.id, self._worker), "its build"
        )

    def _record_notes(self, claim: Claim, notes: Sequence[Note]) -> None:
        self._record(
            claim, lambda executions: executions.set_notes(claim.execution.id, self._worker, notes), "a note"
        )

    def _record(self, claim: Claim, write: Callable[[ExecutionRepository], None], subject: str) -> None:
        """Record progress that only readers need; a failure to record it does not fail the program."""
        try:
            self._unit_of_work.run(lambda transaction: write(transaction.executions))
        except DependencyUnavailable as error:
            logger.warning("execution %s: %s could not be recorded: %s", claim.execution.id, subject, error)

    def _finish(self, job: Job, execution: Execution, report: EngineReport) -> None:
        execution_id = execution.id
        was_stopped = report.result.status is JobStatus.CANCELLED
        if (
            was_stopped
            and self._in_flight.is_marked_for_requeue(execution_id)
            and self._requeue(job, execution_id)
        ):
            return
        if report.is_lost and self._retry(
            lambda: self._replace_execution(execution_id, job.id, report.result)
        ):
            return
        if report.is_startable:
            if self._retry(lambda: self._defer_execution(execution, job)):
                if self._engine.lacks(job.spec) is not None:
                    self._wake_workers.for_others()
                return
            self._unmark_started(execution_id)
        finish = self._finish_execution(job, execution, report)
        if report.result.status is JobStatus.TIMEOUT:
            if finish is Finish.KEPT:  # the execution is still the current one, so nothing else runs
                self._engine.cancel(execution_id, job.id)
            elif finish is not Finish.UNRECORDED:
                self._stop(job, execution_id)

    def _requeue(self, job: Job, execution_id: ExecutionId) -> bool:
        # The engine is told first; after the replacement it might stop the new execution.
        self._engine.cancel(execution_id, job.id)
        return self._replace_execution(execution_id, job.id)

    def _stop(self, job: Job, execution_id: ExecutionId) -> None:
        self._retry(lambda: self._stop_execution(execution_id, job.id))

    def _delegate(self, job: Job, execution_id: ExecutionId) -> None:
        lease_s = job.spec.limits.timeout_ms / 1000 + REPORT_GRACE_S
        holder = f"{DELEGATE_PREFIX}{self._engine.name}"
        is_held = self._retry(
            lambda: self._unit_of_work.run(
                lambda transaction: transaction.executions.delegate(
                    execution_id, self._worker, holder, lease_s
                ),
                self._retry,
            )
        )
        if not is_held:  # cancelled or recovered before the engine's answer was recorded
            self._stop(job, execution_id)


def _outcome_of(report: EngineReport) -> Attributes:
    result = report.result
    outcome: dict[str, str | int] = {"service_server.status": result.status.value}
    if result.reason is not None:
        outcome["service_server.reason"] = result.reason.value
    if result.exit_code is not None:
        outcome["process.exit.code"] = result.exit_code
    return outcome


class _Observer(ExecutionObserver):
    """Forwards an engine's observations of one execution, and records when output arrived."""

    def __init__(
        self,
        claim: Claim,
        output_feed: OutputFeed,
        mark_started: Callable[[Claim], datetime | None],
        unmark_started: Callable[[ExecutionId], None],
        record_building: Callable[[Claim], None],
        record_notes: Callable[[Claim, Sequence[Note]], None],
        measurements: Measurements,
        tracing: Tracing,
        clock: Clock,
    ) -> None:
        self._claim = claim
        self._output_feed = output_feed
        self._mark_started = mark_started
        self._unmark_started = unmark_started
        self._record_building = record_building
        self._record_notes = record_notes
        self._measurements = measurements
        self._tracing = tracing
        self._clock = clock
        self._build_began: tuple[float, datetime] | None = None
        self._run_began: datetime | None = None
        self._stages: list[tuple[str, datetime, datetime]] = []
        self._notes: list[Note] = []
        self.recorder = ArrivalRecorder()

    @property
    def execution(self) -> Execution:
        return self._claim.execution

    def building(self) -> None:
        self._build_began = self._clock.monotonic(), self._clock.now()
        self._record_building(self._claim)

    def note(self, note: Note) -> None:
        if note not in self._notes:
            self._notes.append(note)
            self._record_notes(self._claim, self._notes)

    def close(self) -> None:
        """Measure and trace the stages of the program, after its engine's last observation."""
        self._end_build()
        if self._run_began is not None:
            self._stages.append(("run program", self._run_began, self._clock.now()))
        for name, begin, end in self._stages:
            self._tracing.record(name, begin, end)

    def _end_build(self) -> None:
        """Measure a build that has begun: it ends with the program's start or a report of failure."""
        if self._build_began is not None:
            (began_s, began), self._build_began = self._build_began, None
            self._stages.append(("build program", began, self._clock.now()))
            took_s = self._clock.monotonic() - began_s
            self._measurements.observe(BUILD_TIME, took_s, self._claim.job.spec.language.name)

    def started(self) -> None:
        self._end_build()
        started_at = self._mark_started(self._claim)
        self._set_start(started_at)
        if started_at is not None:
            self._run_began = self._clock.now()
            waited_s = _seconds(started_at - self.execution.requested_at)
            self._measurements.observe(START_WAIT, waited_s)

    def start_failed(self) -> None:
        self._run_began = None
        if self._claim.execution.started_at is not None:
            self._set_start(None)
            self._unmark_started(self._claim.execution.id)

    def _set_start(self, started_at: datetime | None) -> None:
        self._claim = replace(self._claim, execution=replace(self._claim.execution, started_at=started_at))

    def output(self, chunk: OutputChunk) -> None:
        at = self._clock.now()
        self.recorder.add(chunk.stream, chunk.offset + len(chunk.data), at)
        self._output_feed.append(self._claim.execution.id, replace(chunk, at=at))

    def usage(self, sample: UsageSample) -> None:
        self._output_feed.measure(self._claim.execution.id, sample)


def _seconds(duration: timedelta) -> float:
    """Return the seconds between two times of different clocks, at least 0."""
    return max(duration / timedelta(seconds=1), 0.0)
