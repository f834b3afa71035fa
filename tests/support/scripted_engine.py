from collections.abc import Callable, Sequence
from io import BytesIO

from application.ports.execution_engine import (
    BuiltProgram,
    CaseInput,
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    KnownBuilds,
    LanguageSupport,
    no_builds,
)
from domain.catalogue.text import Text
from domain.execution import ExecutionResult, Output, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId

Program = Callable[[ExecutionRequest, ExecutionObserver], EngineReport | None]


def echo(request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
    """Start, copy stdin to stdout, and succeed."""
    observer.started()
    result = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of(request.stdin), exit_code=0)
    return EngineReport(result)


def take_over(_request: ExecutionRequest, observer: ExecutionObserver) -> None:
    """Start, and report the end later."""
    observer.started()


def cancelled_report() -> EngineReport:
    """Return an engine's report for a program that it stopped on request."""
    return EngineReport(ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED))


def echo_case(given: CaseInput) -> EngineReport:
    """Copy stdin to stdout, and succeed."""
    text = given.stdin.decode()
    usage = ResourceUsage(execution_time_ms=5, cpu_time_ms=4, memory_mb=3.0)
    result = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of(text), exit_code=0, resource=usage)
    return EngineReport(result, BytesIO(given.stdin), BytesIO())


class ScriptedProgram(BuiltProgram):
    """A program that follows its engine's script for each case."""

    def __init__(self, engine: "ScriptedEngine", request: ExecutionRequest, tree: bytes | None) -> None:
        self.tree = tree
        self._engine = engine
        self._request = request

    def run(self, given: CaseInput) -> EngineReport:
        if self._request.execution_id in {*self._engine.cancelled, *self._engine.detached}:
            return cancelled_report()
        self._engine.inputs.append(given)
        return self._engine.case(given)

    def close(self) -> None:
        self._engine.closed.append(self._request)


class ScriptedEngine(ExecutionEngine):
    """Follows a test's script, correct or not, and records its calls.

    Attributes:
        program: The script of an execution.
        requests: The requests to run, in order.
        cancelled: The executions to stop, in order.
        detached: The executions to stop only in this process, in order.
        builds: The requests to build, in order, each with the files of an earlier build.
        built: The files of a build, or a report if the build fails.
        build_key: Returns the key of a build.
        case: The script of a case.
        inputs: The inputs of the cases that were run, in order.
        closed: The requests of the programs that were closed, in order.
        is_quick: Whether it starts programs at once.
        paused: The languages in which it cannot start programs.
        lacking: The queues of runtimes that this host lacks.
        unavailable: The reasons for which languages are unavailable, by the languages' names.
    """

    def __init__(self, program: Program = echo) -> None:
        self.program = program
        self.requests: list[ExecutionRequest] = []
        self.cancelled: list[ExecutionId] = []
        self.detached: list[ExecutionId] = []
        self.builds: list[tuple[ExecutionRequest, bytes | None]] = []
        self.built: bytes | EngineReport | None = b"the files of a build"
        self.case = echo_case
        self.build_key: Callable[[ExecutionRequest], str | None] = lambda _: None
        self.inputs: list[CaseInput] = []
        self.closed: list[ExecutionRequest] = []
        self.is_quick = False
        self.paused: frozenset[str] = frozenset()
        self.lacking: frozenset[str] = frozenset()
        self.unavailable: dict[str, Text | str] = {}

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def claim_implies_start(self) -> bool:
        return self.is_quick

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        self.requests.append(request)
        return self.program(request, observer)

    def refuses_cases(self) -> Text | None:
        return None

    def build(
        self,
        request: ExecutionRequest,
        observer: ExecutionObserver,
        tree: bytes | None = None,
        known: KnownBuilds = no_builds,
    ) -> BuiltProgram | EngineReport:
        key, kept = self.build_key(request), None
        if tree is None and key is not None:
            kept = known(key)
        tree = tree if kept is None else kept.tree
        self.builds.append((request, tree))
        if tree is None:
            observer.building()
            if isinstance(self.built, EngineReport):
                return self.built
        program = ScriptedProgram(self, request, tree or self.built)
        program.build_key = key
        program.compile_output = None if kept is None else kept.compile_output
        return program

    def cancel(self, execution_id: ExecutionId, _job_id: JobId) -> None:
        self.cancelled.append(execution_id)

    def detach(self, execution_id: ExecutionId, _job_id: JobId) -> None:
        self.detached.append(execution_id)

    def languages(self) -> Sequence[LanguageSupport]:
        return [
            LanguageSupport(language, version="1.0", unavailable_because=self.unavailable.get(language.name))
            for language in LANGUAGES.values()
        ]

    def startable_queues(self) -> frozenset[str] | None:
        return frozenset(LANGUAGES) - self.paused if self.paused else None

    def unreachable_queues(self) -> frozenset[str]:
        return self.paused

    def lacks(self, spec: JobSpec) -> str | None:
        return (
            f"the runtime {spec.queue} is not installed on this machine"
            if spec.queue in self.lacking
            else None
        )

    def check(self) -> None:
        """Succeed, because functions can always be called."""
