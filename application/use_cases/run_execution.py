"""Command: claim an execution, run it and complete it: the whole task of a worker."""

from application.claim_observer import seconds_between
from application.execution_attributes import attributes_of
from application.in_flight_executions import InFlightExecutions
from application.log_context import logging_about
from application.metrics import CLAIM_WAIT
from application.ports.clock import Clock
from application.ports.execution_engine import EngineReport
from application.ports.measurements import Measurements
from application.ports.result_spool import ResultSpool
from application.ports.tracing import Attributes, SpanKind, Tracing
from application.use_cases.claim_execution import ClaimExecution
from application.use_cases.run_cases import RunCases
from application.use_cases.run_program import RunProgram
from application.use_cases.settle_execution import SettleExecution
from application.use_cases.wake_workers import WakeWorkers
from domain.values import ExecutionId


class RunExecution:
    """Claims a waiting execution, runs it, and completes it.

    * A wake-up only means that some execution may be waiting; the database decides which one
      (`ClaimExecution`).
    * `RunProgram` runs the program, and `SettleExecution` records its end.
    * A job with cases is led here, and threads that find no waiting execution help with cases: `RunCases`.
    * The claim is a lease that `RenewLeases` extends while the program runs; a worker that loses it can no
      longer write.
    """

    def __init__(
        self,
        spool: ResultSpool,
        claim_execution: ClaimExecution,
        in_flight: InFlightExecutions,
        run_program: RunProgram,
        settle_execution: SettleExecution,
        run_cases: RunCases,
        wake_workers: WakeWorkers,
        measurements: Measurements,
        tracing: Tracing,
        clock: Clock,
    ) -> None:
        self._spool = spool
        self._claim_execution = claim_execution
        self._in_flight = in_flight
        self._run_program = run_program
        self._settle_execution = settle_execution
        self._run_cases = run_cases
        self._wake_workers = wake_workers
        self._measurements = measurements
        self._tracing = tracing
        self._clock = clock

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
            report, started = self._run_program(claim)
            if report is not None:
                span.set(_outcome_of(report))
            self._settle_execution(job, started, report)
        self._wake_workers.for_room()
        return True


def _outcome_of(report: EngineReport) -> Attributes:
    result = report.result
    outcome: dict[str, str | int] = {"service_server.status": result.status.value}
    if result.reason is not None:
        outcome["service_server.reason"] = result.reason.value
    if result.exit_code is not None:
        outcome["process.exit.code"] = result.exit_code
    return outcome
