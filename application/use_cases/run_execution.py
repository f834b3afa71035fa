"""Command: claim an execution, run it and complete it: the whole task of a worker."""

import logging
from contextlib import closing
from functools import partial

from application.claim_observer import ClaimObserver, ExecutionProgress, seconds_between
from application.claims import Claim
from application.errors import SecretsUnavailable
from application.execution_attributes import attributes_of
from application.in_flight_executions import InFlightExecutions
from application.log_context import logging_about
from application.metrics import CLAIM_WAIT
from application.ports.clock import Clock
from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionRequest,
)
from application.ports.measurements import Measurements
from application.ports.output_feed import OutputFeed
from application.ports.result_spool import ResultSpool
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import Attributes, SpanKind, Tracing
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from application.use_cases.claim_execution import ClaimExecution
from application.use_cases.defer_execution import DeferExecution
from application.use_cases.finish_execution import Finish, FinishExecution
from application.use_cases.replace_execution import ReplaceExecution
from application.use_cases.run_cases import RunCases
from application.use_cases.stop_execution import StopExecution
from application.use_cases.wake_workers import WakeWorkers
from domain.catalogue.text import said_by, text
from domain.execution import Execution, ExecutionResult
from domain.execution_lifecycle import DELEGATE_PREFIX
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")

# The time in seconds that an engine has after the program's own limit to report its end.
REPORT_GRACE_S = 30.0


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
        progress: ExecutionProgress,
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
        self._progress = progress
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
            self._measurements.observe(CLAIM_WAIT, seconds_between(due_at, execution.claimed_at))
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

    def _execute(self, claim: Claim) -> tuple[EngineReport | None, Execution]:
        """Return the program's report, and the execution with its recorded start."""
        job, execution = claim.job, claim.execution
        request = ExecutionRequest(
            execution_id=execution.id,
            job_id=job.id,
            spec=job.spec if execution.stdin is None else job.spec.without_stdin(),
            tenant=job.tenant,
            stdin=job.spec.stdin if execution.stdin is None else execution.stdin,
            open_secrets=partial(self._secret_sealer.open_any, job.id, job.spec.secrets),
        )
        observer = ClaimObserver(
            claim, self._progress, self._output_feed, self._measurements, self._tracing, self._clock
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
            if self._retry(lambda: self._defer_execution(execution, job, is_refused=report.is_refused)):
                if self._engine.lacks(job.spec) is not None:
                    self._wake_workers.for_others()
                return
            self._progress.unmark_started(execution_id)
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
