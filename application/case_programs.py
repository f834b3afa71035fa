"""The programs of jobs with cases: built once, and shared by the threads of this process."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock

from application.blobs import Blobs
from application.case_judge import CaseJudge, CaseJudges, NotJudged
from application.case_manifest import CaseManifest
from application.errors import ApplicationError, DependencyUnavailable
from application.job_entries import record_for_job
from application.ports.case_repository import CaseRun, JobBuild
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
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from domain.audit import Act, AuditEntryId, Usage
from domain.blob import BlobRef
from domain.cases import CaseResult, StopOn
from domain.catalogue.text import said_by, text
from domain.errors import DomainError
from domain.events import CasesJudged
from domain.execution import ExecutionResult
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.tenant import TenantName
from domain.values import ExecutionId

logger = logging.getLogger("service_server.cases")

# A job fails after this many engine failures on its cases in one process.
_MAX_FAILURES = 3


@dataclass(slots=True)
class CaseProgram:
    """A program that threads of this process run for the cases of a job.

    Attributes:
        execution_id: The execution that it was built for.
        users: How many threads use it.
        skips: Whether the cases after the ones claimed last are skipped.
        ran: How many cases were run here, and `ran_s` how long they took in total.
        seen: The number of cases up to the last one claimed here.
        failures: How often the engine failed on a case.
        failure: The result of the job, once the engine failed too often.
    """

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

    def run_case(self, index: int, clock: Clock) -> CaseResult | ExecutionResult:
        """Run one case; return the engine's result if there is no verdict."""
        case = self.cases[index]
        limits = replace(self.job.spec.limits, **case.limits)
        given = CaseInput(stdin=case.stdin, args=case.args, limits=limits)
        while True:
            begun = clock.monotonic()
            result = self.judge.run(index, case, given)
            self.ran += 1
            self.ran_s += clock.monotonic() - begun
            if isinstance(result, CaseResult) or result.status is JobStatus.CANCELLED:
                return result
            self.failures += 1
            logger.warning("case %d was not run: %s", index, result.error_message)
            if self.failures >= _MAX_FAILURES:
                self.failure = result
                return result

    def judged(self, results: Sequence[CaseResult], clock: Clock) -> CasesJudged:
        """Return the event about new results."""
        return CasesJudged(
            job_id=self.job.id,
            execution_id=self.execution_id,
            total=len(self.cases),
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


@dataclass(slots=True)
class _Entry:
    """The slot of a job's program in this process; its lock is held while the program is built."""

    lock: Lock = field(default_factory=Lock)
    program: CaseProgram | None = None


class CasePrograms:
    """Builds the programs of jobs with cases, and their judges.

    * The first thread of this process that needs a program builds it; the last one closes it.
    * The build's files are kept in the store, where other workers find them.
    * The program or a judge is not built if another job of the tenant has the same build.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        judges: CaseJudges,
        blobs: Blobs,
        clock: Clock,
        ids: IdGenerator,
        retry: RetryPolicy,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._judges = judges
        self._blobs = blobs
        self._clock = clock
        self._ids = ids
        self._retry = retry
        self._entries: dict[ExecutionId, _Entry] = {}
        self._lock = Lock()

    @contextmanager
    def shared(
        self, job: Job, request: ExecutionRequest, observer: ExecutionObserver
    ) -> Iterator[CaseProgram | EngineReport]:
        """Yield the program of an execution, or the report of a failure to build it."""
        with self._lock:
            entry = self._entries.setdefault(request.execution_id, _Entry())
        opened: CaseProgram | EngineReport | None = None
        try:
            with entry.lock:
                opened = entry.program or self._open(job, request, observer)
                if isinstance(opened, CaseProgram):
                    entry.program = opened
                    opened.users += 1
            yield opened
        finally:
            with entry.lock:
                if isinstance(opened, CaseProgram):
                    opened.users -= 1
                    if opened.users == 0:
                        entry.program = None
                        opened.judge.close()
                with self._lock:
                    if entry.program is None and self._entries.get(request.execution_id) is entry:
                        del self._entries[request.execution_id]

    def _open(
        self, job: Job, request: ExecutionRequest, observer: ExecutionObserver
    ) -> CaseProgram | EngineReport:
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
        return CaseProgram(job, references.stop_on, request.execution_id, cases, judge)

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
            usage = Usage(stored_bytes=stored_bytes)
            record_for_job(transaction, entry_id, Act.JOB_BUILD, job, usage, now)

        self._unit_of_work.run(work)


def _without_cases(error: Exception) -> ExecutionResult:
    return ExecutionResult.failed(
        Reason.STORAGE_ERROR, text("outcomes.cases_not_fetched", cause=said_by(error))
    )
