"""Command: build a program once, and run it for the cases of its job, on idle threads of all workers."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from functools import partial
from threading import Lock

from application.blobs import Blobs
from application.case_judge import CaseJudge, CaseJudges, NoObserver, NotJudged
from application.case_manifest import CaseManifest
from application.errors import ApplicationError, DependencyUnavailable, SecretsUnavailable
from application.execution_attributes import attributes_of
from application.in_flight_cases import InFlightCases
from application.log_context import current_request_id, logging_about
from application.outbox_writer import OutboxWriter
from application.ports.case_repository import CaseRange, CaseRun, JobBuild
from application.ports.clock import Clock
from application.ports.execution_engine import (
    BuiltProgram,
    CaseInput,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    KeptBuild,
)
from application.ports.id_generator import IdGenerator
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import SpanKind, Tracing
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.ports.work_queue import WorkQueue
from application.retry_policy import RetryPolicy
from application.tenant_separation import TenantSeparation
from domain.audit import SERVICE, Act, AuditEntry, AuditEntryId, Usage
from domain.blob import BlobRef
from domain.cases import CaseResult, StopOn, Verdict, summarize
from domain.catalogue.text import Text, said_by, text
from domain.errors import DomainError
from domain.events import CasesJudged
from domain.execution import Execution, ExecutionResult, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.submission import NO_VARIABLES
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.cases")

# Results are stored, and become visible to readers, at this interval. A range takes several times as long, so
# that claims are few.
_KEEP_EVERY_S = 0.1
_RANGE_S = 0.4
_MAX_AT_ONCE = 64
# Skipped cases take no time except that of their claim.
_SKIPPED_AT_ONCE = 500
# The first cases show how long the others take.
_FIRST = 2
# How many ranges per thread are left when the last ones are claimed.
_SHARES = 2
# How many jobs are examined to find one whose runtime is on this machine.
_OFFERS = 8
# The maximum time that the leader sleeps while others run the last cases; threads of this process wake it
# earlier.
_WAIT_S = 0.1
# A job fails after this many engine failures on its cases.
_MAX_FAILURES = 3
_CANCELLED = ExecutionResult(
    status=JobStatus.CANCELLED, reason=Reason.CANCELLED, error=text("outcomes.cases_stopped")
)


class _End(Enum):
    """How this process's work on a range ended."""

    DONE = auto()
    LOST = auto()  # the claim was lost, or the job has ended
    STOPPED = auto()


@dataclass(slots=True)
class _Work:
    """A program that threads of this process run for the cases of a job."""

    job: Job
    stop_on: StopOn
    execution_id: ExecutionId
    cases: CaseManifest
    judge: CaseJudge
    users: int = 0
    skips: bool = False
    ran: int = 0
    ran_s: float = 0.0
    seen: int = 0
    failures: int = 0
    failure: ExecutionResult | None = None


@dataclass(slots=True)
class _Entry:
    """The slot of a job's program in this process; its lock is held while the program is built."""

    lock: Lock = field(default_factory=Lock)
    work: _Work | None = None


class RunCases:
    """Runs the cases of jobs.

    * The worker that claimed a job's execution is the leader: it builds the program, keeps the build's files
      in the store, and wakes other workers.
    * Every thread that finds no execution to claim is a helper: it claims a range of cases under a lease,
      runs each in a separate sandbox, and stores the results in batches. In this way cases are spread over
      all workers, within the tenant's quota of running executions.
    * The claim is the fence of every write about its cases. If a worker is lost, another claims its cases
      that have no result. Every case has one result.
    * The leader ends the execution when every case has a result. A leader that replaces a lost one finds the
      build and the results.
    * The program or a judge is not built if another job of the tenant has the same build.
    * If the engine fails on cases through no fault of the program, they are run again, up to three failures
      in all.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        separation: TenantSeparation,
        judges: CaseJudges,
        blobs: Blobs,
        work_queue: WorkQueue,
        outbox_writer: OutboxWriter,
        in_flight: InFlightCases,
        secret_sealer: SecretSealer,
        clock: Clock,
        ids: IdGenerator,
        retry: RetryPolicy,
        lease_s: float,
        max_s: float,
        tracing: Tracing,
        max_helpers: int,
        worker_threads: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._separation = separation
        self._judges = judges
        self._blobs = blobs
        self._work_queue = work_queue
        self._outbox_writer = outbox_writer
        self._in_flight = in_flight
        self._secret_sealer = secret_sealer
        self._clock = clock
        self._ids = ids
        self._retry = retry
        self._lease_s = lease_s
        self._max_s = max_s
        self._tracing = tracing
        self._max_helpers = max_helpers
        self._worker_threads = worker_threads
        self._entries: dict[ExecutionId, _Entry] = {}
        self._lock = Lock()

    def __call__(self, job: Job, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        """Build the program of a job, and return the job's result when all of its cases have a result."""
        try:
            with self._shared(job, request, observer) as work:
                if isinstance(work, EngineReport):
                    return work
                observer.started()
                self._wake(work)
                return self._follow(work)
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
        languages = self._separation.startable_languages()
        if languages is not None and not languages:
            return False
        found = self._unit_of_work.read(lambda transaction: self._find_offer(transaction, languages))
        if found is None:
            return False
        job, execution = found
        with logging_about(job, execution):
            return self._help(job, execution)

    def _find_offer(
        self, transaction: Transaction, languages: frozenset[str] | None
    ) -> tuple[Job, Execution] | None:
        for job_id in transaction.cases.offered(languages, _OFFERS):
            job = transaction.jobs.get_of_any_tenant(job_id)
            if job is None or job.current_execution_id is None or self._engine.lacks(job.spec) is not None:
                continue
            execution = transaction.executions.get(job.current_execution_id)
            if execution is not None:
                return job, execution
        return None

    def _help(self, job: Job, execution: Execution) -> bool:
        taken = self._claim(job.id, _FIRST)
        if taken is None:
            return False
        request = ExecutionRequest(
            execution_id=execution.id,
            job_id=job.id,
            spec=job.spec,
            tenant=job.tenant,
            stdin="",
            open_secrets=lambda: self._secrets(job),
        )
        try:
            with (
                self._tracing.span("run cases", attributes_of(job, execution), kind=SpanKind.CONSUMER),
                self._shared(job, request, NoObserver()) as work,
            ):
                if isinstance(work, EngineReport):
                    self._refuse(taken, work.result.error_message)
                    return False
                self._help_with(work, taken)
        except SecretsUnavailable as error:
            self._refuse(taken, error)
            return False
        return True

    def _help_with(self, work: _Work, first: CaseRange) -> None:
        taken: CaseRange | None = first
        while taken is not None:
            if self._run_range(work, taken) is not _End.DONE or self._has_other_work():
                return
            taken = self._claim(work.job.id, self._limit(work))

    def _has_other_work(self) -> bool:
        """Whether an execution waits that could be claimed here; it comes before cases led by others."""
        languages = self._engine.startable_languages()
        return bool(
            self._unit_of_work.read(lambda transaction: transaction.executions.waiting(0.0, 1, languages))
        )

    def _refuse(self, taken: CaseRange, cause: object) -> None:
        logger.warning("cases of job %s cannot be run here: %s", taken.job_id, cause)
        self._release(taken)

    def _secrets(self, job: Job) -> Mapping[str, str]:
        secrets = job.spec.secrets
        return NO_VARIABLES if secrets is None else self._secret_sealer.open(job.id, secrets)

    @contextmanager
    def _shared(
        self, job: Job, request: ExecutionRequest, observer: ExecutionObserver
    ) -> Iterator[_Work | EngineReport]:
        """Share the program of an execution among the threads of this process; the first one builds it."""
        with self._lock:
            entry = self._entries.setdefault(request.execution_id, _Entry())
        opened: _Work | EngineReport | None = None
        try:
            with entry.lock:
                opened = entry.work or self._open(job, request, observer)
                if isinstance(opened, _Work):
                    entry.work = opened
                    opened.users += 1
            yield opened
        finally:
            with entry.lock:
                if isinstance(opened, _Work):
                    opened.users -= 1
                    if opened.users == 0:
                        entry.work = None
                        opened.judge.close()
                with self._lock:
                    if entry.work is None and self._entries.get(request.execution_id) is entry:
                        del self._entries[request.execution_id]

    def _open(self, job: Job, request: ExecutionRequest, observer: ExecutionObserver) -> _Work | EngineReport:
        references = job.spec.cases
        if references is None:
            return EngineReport(ExecutionResult.failed(Reason.INTERNAL, text("outcomes.no_cases")))
        try:
            run = self._unit_of_work.read(lambda transaction: transaction.cases.get(job.id))
            cases = CaseManifest(self._blobs.read(job.tenant, references.manifest))
            tree = None if run is None or run.tree is None else self._blobs.read(job.tenant, run.tree)
        except DependencyUnavailable as error:
            return EngineReport(_without_cases(error), is_startable=True)
        except (ApplicationError, DomainError) as error:
            return EngineReport(_without_cases(error))
        known = partial(self._known_build, job.tenant)
        built = self._engine.build(request, observer, tree, known)
        if isinstance(built, EngineReport):
            return built
        try:
            judge = self._judges.open(request, job.tenant, references, built, known)
        except NotJudged as error:
            return EngineReport(error.result, is_lost=True)
        try:
            if run is None:
                self._retry(lambda: self._keep_builds(job, built, judge, len(cases)))
        except BaseException:
            judge.close()
            raise
        return _Work(job, references.stop_on, request.execution_id, cases, judge)

    def _known_build(self, tenant: TenantName, key: str) -> KeptBuild | None:
        """Return the build of another job of the tenant, unless its files are unavailable."""
        build = self._unit_of_work.read(lambda transaction: transaction.cases.find_build(tenant, key))
        if build is None:
            return None
        try:
            return KeptBuild(self._blobs.read(tenant, build.tree), build.compile_output)
        except ApplicationError as error:
            logger.warning("a program is built again because its stored build cannot be read: %s", error)
            return None

    def _keep_builds(self, job: Job, built: BuiltProgram, judge: CaseJudge, total: int) -> None:
        """Store the files of builds for other workers and jobs, and allow cases to be claimed."""
        trees: dict[BlobRef, bytes] = {}
        builds: dict[str, JobBuild] = {}
        run = CaseRun(tree=None, compile_output=built.compile_output)
        for each in (*judge.judges, built):
            content = each.tree
            if content is None:
                continue
            tree = BlobRef.of(content)
            trees[tree] = content
            if each is built:
                run = replace(run, tree=tree)
            if each.build_key is not None:
                builds[each.build_key] = JobBuild(
                    key=each.build_key, tree=tree, compile_output=each.compile_output
                )
        self._blobs.put(job.tenant, trees)
        range_id, entry_id, now = self._ids.new(), AuditEntryId(self._ids.new()), self._clock.now()

        def work(transaction: Transaction) -> None:
            if not transaction.cases.open(job.id, range_id, total, run, builds.values()) or not trees:
                return
            stored_bytes = transaction.blobs.refer(job.tenant, job.id, frozenset(trees))
            transaction.audit.add(
                AuditEntry(
                    id=entry_id,
                    at=now,
                    tenant=job.tenant,
                    principal=SERVICE,
                    act=Act.JOB_BUILD,
                    subject=str(job.id),
                    request_id=current_request_id(),
                    project=job.project_id,
                    usage=Usage(stored_bytes=stored_bytes),
                )
            )

        self._unit_of_work.run(work)

    def _wake(self, work: _Work) -> None:
        helpers = min(len(work.cases) - 1, self._max_helpers)
        if helpers > 0:
            try:
                self._work_queue.wake(helpers)
            except DependencyUnavailable as error:
                logger.warning("workers not woken for cases: %s", error)

    def _follow(self, work: _Work) -> EngineReport:
        """Run cases, and wait for the cases that others run, until each has a result."""
        job = work.job
        until = self._clock.monotonic() + self._max_s
        while True:
            if self._clock.monotonic() > until:
                return EngineReport(self._out_of_time(job.id))
            taken = self._claim(job.id, self._limit(work))
            if taken is not None:
                end = self._run_range(work, taken)
                if work.failure is not None:
                    return EngineReport(work.failure)
                if end is _End.STOPPED:
                    return EngineReport(self._sum_up(work, stopped=True))
                continue
            is_current, remaining = self._retry(
                lambda: self._unit_of_work.read(lambda transaction: _progress(transaction, work))
            )
            if not is_current:
                return EngineReport(self._sum_up(work, stopped=True))
            if remaining == 0:
                return EngineReport(self._sum_up(work))
            self._in_flight.wait_for_change(_WAIT_S)

    def _claim(self, job_id: JobId, limit: int) -> CaseRange | None:
        range_id = self._ids.new()
        return self._retry(
            lambda: self._unit_of_work.run(
                lambda transaction: transaction.cases.claim(job_id, range_id, limit, self._lease_s),
                self._retry,
            )
        )

    def _release(self, taken: CaseRange) -> None:
        try:
            self._unit_of_work.run(lambda transaction: transaction.cases.release([taken.id]))
        except DependencyUnavailable as error:
            logger.warning("cases of job %s stay claimed until their lease expires: %s", taken.job_id, error)

    def _limit(self, work: _Work) -> int:
        """Return how many cases to claim: enough for some time, but leaving some for every thread."""
        if work.skips:
            return _SKIPPED_AT_ONCE
        if not work.ran:
            return _FIRST
        for_some_time = int(_RANGE_S * work.ran / max(work.ran_s, 0.001))
        left = len(work.cases) - work.seen
        return max(1, min(for_some_time, left // (_SHARES * self._worker_threads), _MAX_AT_ONCE))

    def _run_range(self, work: _Work, taken: CaseRange) -> _End:
        work.seen = max(work.seen, taken.last + 1)
        with self._in_flight.track(taken.id, work.execution_id, work.job.id):
            end = _RangeRunner(self, work, taken).run()
            if end is _End.STOPPED:
                self._release(taken)
            return end

    def run_case(self, work: _Work, index: int) -> CaseResult | ExecutionResult:
        """Run one case; return the engine's result if there is no verdict."""
        case = work.cases[index]
        limits = replace(work.job.spec.limits, **case.limits)
        given = CaseInput(stdin=case.stdin, args=case.args, limits=limits)
        while True:
            begun = self._clock.monotonic()
            result = work.judge.run(index, case, given)
            work.ran += 1
            work.ran_s += self._clock.monotonic() - begun
            if isinstance(result, CaseResult) or result.status is JobStatus.CANCELLED:
                return result
            work.failures += 1
            logger.warning("case %d was not run: %s", index, result.error_message)
            if work.failures >= _MAX_FAILURES:
                work.failure = result
                return result

    def keep(
        self, work: _Work, taken: CaseRange, results: Sequence[CaseResult], *, is_done: bool
    ) -> CaseRun | None:
        """Store results and an event about them; return the state of the cases, None if the claim is lost."""
        failed = min((result.index for result in results if not result.is_accepted), default=None)
        events = [_judged(work, results, self._clock)] if results else []

        def write(transaction: Transaction) -> CaseRun | None:
            if failed is not None and work.stop_on is StopOn.FIRST_FAILURE:
                transaction.cases.skip_after(work.job.id, failed)
            run = transaction.cases.record(taken.id, results, is_done=is_done, lease_s=self._lease_s)
            if run is not None:
                self._outbox_writer.add(transaction, events, work.job)
            return run

        return self._retry(lambda: self._unit_of_work.run(write, self._retry))

    def now(self) -> float:
        """Return the time of the monotonic clock."""
        return self._clock.monotonic()

    def _sum_up(self, work: _Work, *, stopped: bool = False) -> ExecutionResult:
        """Return the result of the execution, over all cases or, if stopped, over the ones that have run."""
        results, run = self._retry(
            lambda: self._unit_of_work.read(
                lambda transaction: (
                    transaction.cases.results(work.job.id),
                    transaction.cases.get(work.job.id),
                )
            )
        )
        resource = _resource(results)
        if stopped:
            return replace(_CANCELLED, resource=resource)
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


class _RangeRunner:
    """Runs the cases of one range, and stores their results at intervals."""

    def __init__(self, cases: RunCases, work: _Work, taken: CaseRange) -> None:
        self._cases = cases
        self._work = work
        self._taken = taken
        self._results: list[CaseResult] = []
        self._skip_after: int | None = None
        self._kept_at = cases.now()

    def run(self) -> _End:
        taken = self._taken
        if self._work.stop_on is StopOn.FIRST_FAILURE and not self._keep():
            return _End.LOST
        for index in range(taken.first, taken.last + 1):
            if index in taken.done:
                continue
            result = self._result(index)
            if isinstance(result, ExecutionResult):
                return _End.STOPPED if self._keep() else _End.LOST
            self._results.append(result)
            if self._is_due(result) and not self._keep():
                return _End.LOST
        return _End.DONE if self._keep(is_done=True) else _End.LOST

    def _result(self, index: int) -> CaseResult | ExecutionResult:
        if self._skip_after is not None and index > self._skip_after:
            return CaseResult.skipped(index, self._work.cases[index])
        return self._cases.run_case(self._work, index)

    def _is_due(self, result: CaseResult) -> bool:
        """Whether results should be stored now: at intervals, and at once if other cases must be skipped."""
        stops = self._work.stop_on is StopOn.FIRST_FAILURE and self._skip_after is None
        is_failure = not result.is_accepted and result.verdict is not Verdict.SKIPPED
        return (stops and is_failure) or self._cases.now() - self._kept_at >= _KEEP_EVERY_S

    def _keep(self, *, is_done: bool = False) -> bool:
        run = self._cases.keep(self._work, self._taken, self._results, is_done=is_done)
        self._results = []
        self._kept_at = self._cases.now()
        if run is None:
            return False
        self._skip_after = run.skip_after
        self._work.skips = run.skip_after is not None and self._taken.last > run.skip_after
        return True


def _progress(transaction: Transaction, work: _Work) -> tuple[bool, int]:
    """Return whether the execution is still current, and how many ranges have cases without a result."""
    job = transaction.jobs.get_of_any_tenant(work.job.id)
    is_current = (
        job is not None and job.status is JobStatus.RUNNING and job.current_execution_id == work.execution_id
    )
    return is_current, transaction.cases.remaining(work.job.id)


def _judged(work: _Work, results: Sequence[CaseResult], clock: Clock) -> CasesJudged:
    return CasesJudged(
        job_id=work.job.id,
        execution_id=work.execution_id,
        total=len(work.cases),
        cases=tuple(
            {
                "index": result.index,
                "name": result.name,
                "verdict": result.verdict.value,
                "time_ms": result.time_ms,
                "memory_mb": result.memory_mb,
            }
            for result in results
        ),
        occurred_at=clock.now(),
    )


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


def _without_cases(error: Exception) -> ExecutionResult:
    return ExecutionResult.failed(
        Reason.STORAGE_ERROR, text("outcomes.cases_not_fetched", cause=said_by(error))
    )
