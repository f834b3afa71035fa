"""Command: build a program once, and run it for the cases of its job, on idle threads of all workers."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from application.case_judge import NoObserver
from application.case_programs import CaseProgram, CasePrograms
from application.case_ranges import CaseRanges, End
from application.errors import DependencyUnavailable, SecretsUnavailable
from application.execution_attributes import attributes_of
from application.in_flight_cases import InFlightCases
from application.log_context import logging_about
from application.ports.case_repository import CaseRange
from application.ports.clock import Clock
from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
)
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import SpanKind, Tracing
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.ports.work_queue import WorkQueue
from application.retry_policy import RetryPolicy
from application.tenant_separation import TenantSeparation
from domain.cases import CaseResult, summarize
from domain.catalogue.text import Text, said_by, text
from domain.execution import Execution, ExecutionResult, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.values import JobId

logger = logging.getLogger("service_server.cases")

# The maximum number of threads that are woken to help with the cases of a job.
_MAX_HELPERS = 16
# How many jobs are examined to find one whose runtime is on this machine.
_OFFERS = 8
# The maximum time that the leader sleeps while others run the last cases; threads of this process wake it
# earlier.
_WAIT_S = 0.1
_CANCELLED = ExecutionResult(
    status=JobStatus.CANCELLED, reason=Reason.CANCELLED, error=text("outcomes.cases_stopped")
)


class RunCases:
    """Runs the cases of jobs.

    * The worker that claimed a job's execution is the leader: it builds the program (`CasePrograms`), and
      wakes other workers.
    * Every thread that finds no execution to claim is a helper: it claims a range of cases (`CaseRanges`),
      and runs each in a separate sandbox. In this way cases are spread over all workers, within the tenant's
      quota of running executions.
    * The leader ends the execution when every case has a result. A leader that replaces a lost one finds the
      build and the results.
    * If the engine fails on cases through no fault of the program, they are run again, up to three failures
      in all.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        separation: TenantSeparation,
        programs: CasePrograms,
        ranges: CaseRanges,
        work_queue: WorkQueue,
        in_flight: InFlightCases,
        secret_sealer: SecretSealer,
        clock: Clock,
        retry: RetryPolicy,
        max_s: float,
        tracing: Tracing,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._separation = separation
        self._programs = programs
        self._ranges = ranges
        self._work_queue = work_queue
        self._in_flight = in_flight
        self._secret_sealer = secret_sealer
        self._clock = clock
        self._retry = retry
        self._max_s = max_s
        self._tracing = tracing

    def __call__(self, job: Job, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        """Build the program of a job, and return the job's result when all of its cases have a result."""
        try:
            with self._programs.shared(job, request, observer) as program:
                if isinstance(program, EngineReport):
                    return program
                observer.started()
                self._wake(program)
                return self._follow(program)
        except DependencyUnavailable as error:
            logger.warning("the cases of job %s were interrupted: %s", job.id, error)
            message = text("outcomes.cases_interrupted", cause=said_by(error))
            return EngineReport(ExecutionResult.failed(Reason.INTERNAL, message), is_lost=True)

    def help(self) -> bool:
        """Run cases led by another thread, as long as no execution waits; return False if there are none.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        if self._engine.refuses_cases() is not None:
            return False
        queues = self._separation.startable_queues()
        if queues is not None and not queues:
            return False
        found = self._unit_of_work.read(lambda transaction: self._find_offer(transaction, queues))
        if found is None:
            return False
        job, execution = found
        with logging_about(job, execution):
            return self._help(job, execution)

    def _find_offer(
        self, transaction: Transaction, queues: frozenset[str] | None
    ) -> tuple[Job, Execution] | None:
        for job_id in transaction.cases.offered(queues, _OFFERS):
            job = transaction.jobs.get_of_any_tenant(job_id)
            if job is None or job.current_execution_id is None or self._engine.lacks(job.spec) is not None:
                continue
            execution = transaction.executions.get(job.current_execution_id)
            if execution is not None:
                return job, execution
        return None

    def _help(self, job: Job, execution: Execution) -> bool:
        taken = self._ranges.claim_first(job.id)
        if taken is None:
            return False
        request = ExecutionRequest(
            execution_id=execution.id,
            job_id=job.id,
            spec=job.spec,
            tenant=job.tenant,
            stdin="",
            open_secrets=partial(self._secret_sealer.open_any, job.id, job.spec.secrets),
        )
        try:
            with (
                self._tracing.span("run cases", attributes_of(job, execution), kind=SpanKind.CONSUMER),
                self._programs.shared(job, request, NoObserver()) as program,
            ):
                if isinstance(program, EngineReport):
                    self._refuse(taken, program.result.error_message)
                    return False
                self._help_with(program, taken)
        except SecretsUnavailable as error:
            self._refuse(taken, error)
            return False
        return True

    def _help_with(self, program: CaseProgram, first: CaseRange) -> None:
        taken: CaseRange | None = first
        while taken is not None:
            if self._ranges.run(program, taken) is not End.DONE or self._has_other_work():
                return
            taken = self._ranges.claim_next(program)

    def _has_other_work(self) -> bool:
        """Whether an execution waits that could be claimed here; it comes before cases led by others."""
        queues = self._separation.startable_queues()
        return bool(
            self._unit_of_work.read(lambda transaction: transaction.executions.waiting(0.0, 1, queues))
        )

    def _refuse(self, taken: CaseRange, cause: object) -> None:
        logger.warning("cases of job %s cannot be run here: %s", taken.job_id, cause)
        self._ranges.release(taken)

    def _wake(self, program: CaseProgram) -> None:
        helpers = min(len(program.cases) - 1, _MAX_HELPERS)
        if helpers > 0:
            try:
                self._work_queue.wake(helpers)
            except DependencyUnavailable as error:
                logger.warning("workers not woken for cases: %s", error)

    def _follow(self, program: CaseProgram) -> EngineReport:
        """Run cases, and wait for the cases that others run, until each has a result."""
        job = program.job
        until = self._clock.monotonic() + self._max_s
        while True:
            if self._clock.monotonic() > until:
                return EngineReport(self._out_of_time(job.id))
            taken = self._ranges.claim_next(program)
            if taken is not None:
                end = self._ranges.run(program, taken)
                if program.failure is not None:
                    return EngineReport(program.failure)
                if end is End.STOPPED:
                    return EngineReport(self._sum_up(program, stopped=True))
                continue
            is_current, remaining = self._retry(
                lambda: self._unit_of_work.read(lambda transaction: _progress(transaction, program))
            )
            if not is_current:
                return EngineReport(self._sum_up(program, stopped=True))
            if remaining == 0:
                return EngineReport(self._sum_up(program))
            self._in_flight.wait_for_change(_WAIT_S)

    def _sum_up(self, program: CaseProgram, *, stopped: bool = False) -> ExecutionResult:
        """Return the result of the execution; if it was stopped, cases without a result count as skipped."""
        job_id = program.job.id
        results, run = self._retry(
            lambda: self._unit_of_work.read(
                lambda transaction: (
                    transaction.cases.results(job_id),
                    transaction.cases.get(job_id),
                )
            )
        )
        resource = _resource(results)
        if stopped:
            return replace(_CANCELLED, resource=resource, cases=summarize(_with_skipped(program, results)))
        summary = summarize(results)
        return ExecutionResult(
            status=summary.status,
            reason=None if summary.is_passed else Reason.CASES_FAILED,
            resource=resource,
            error=_explain(results),
            compile_output=None if run is None else run.compile_output,
            cases=summary,
        )

    def _out_of_time(self, job_id: JobId) -> ExecutionResult:
        logger.warning("the cases of job %s ran out of time", job_id)
        return ExecutionResult(
            status=JobStatus.TIMEOUT,
            reason=Reason.WALL_TIME_LIMIT,
            error=text("outcomes.cases_time", allowed=f"{self._max_s:.0f}"),
        )


def _progress(transaction: Transaction, program: CaseProgram) -> tuple[bool, int]:
    """Return whether the execution is still current, and how many ranges have cases without a result."""
    job = transaction.jobs.get_of_any_tenant(program.job.id)
    is_current = (
        job is not None
        and job.status is JobStatus.RUNNING
        and job.current_execution_id == program.execution_id
    )
    return is_current, transaction.cases.remaining(program.job.id)


def _with_skipped(program: CaseProgram, results: Sequence[CaseResult]) -> Sequence[CaseResult]:
    known = {result.index for result in results}
    cases = enumerate(program.cases)
    return [*results, *(CaseResult.skipped(index, case) for index, case in cases if index not in known)]


def _resource(results: Sequence[CaseResult]) -> ResourceUsage | None:
    """Return the total times of all cases, and their largest memory."""
    ran = [result for result in results if result.time_ms is not None]
    if not ran:
        return None
    time_ms = sum(result.time_ms or 0 for result in ran)
    cpu_ms = sum(result.cpu_time_ms or 0 for result in ran)
    return ResourceUsage(
        execution_time_ms=time_ms,
        cpu_time_ms=cpu_ms,
        cpu_percent=round(100 * cpu_ms / time_ms, 1) if time_ms else None,
        memory_mb=max(result.memory_mb or 0.0 for result in ran),
    )


def _explain(results: Sequence[CaseResult]) -> Text | None:
    failed = [result for result in results if not result.is_accepted]
    if not failed:
        return None
    first = failed[0]
    return text(
        "outcomes.cases_failed",
        failed=len(failed),
        total=len(results),
        name=first.name,
        verdict=text(f"cases.{first.verdict}"),
    )
