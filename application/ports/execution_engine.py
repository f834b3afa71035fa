"""The port to an engine, which runs programs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

from application.file_spool import FileSpool
from application.new_files import NewFile
from application.ports.output_feed import OutputChunk, UsageSample
from domain.arrivals import Arrivals
from domain.catalogue.text import Text, text
from domain.execution import ExecutionResult, Note, Output
from domain.language import Language
from domain.limits import Limits
from domain.runtime import queue_of
from domain.submission import NO_VARIABLES, JobSpec
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import ExecutionId, JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRequest:
    """A program to run. The engine fetches its code (`spec.code_key`) and its blobs itself.

    Attributes:
        stdin: Its input, unless it has `spec.stdin_file` or `spec.stdin_blob`.
        tenant: The owner of the job and its blobs.
        open_secrets: Returns the program's secret variables; called just before the program starts. It raises
            SecretsUnavailable.
    """

    execution_id: ExecutionId
    job_id: JobId
    spec: JobSpec
    stdin: str
    tenant: TenantName = DEFAULT_TENANT
    open_secrets: Callable[[], Mapping[str, str]] = field(default=lambda: NO_VARIABLES, repr=False)


@dataclass(frozen=True, slots=True)
class LanguageSupport:
    """An engine's support of a language or, if it is unavailable, the cause and the remedy.

    Attributes:
        version: The version of the compiler or interpreter; None if unknown.
        takes_files: Whether programs may have several files, and read and write binary data.
        takes_arguments: Whether programs may have arguments and environment variables.
        is_version_awaited: Whether the version is being determined and will soon be known.
    """

    language: Language
    version: str | None
    unavailable_because: Text | str | None = None
    takes_files: bool = True
    takes_arguments: bool = True
    is_version_awaited: bool = False

    @property
    def is_available(self) -> bool:
        """Whether the engine runs the language."""
        return self.unavailable_because is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSupport:
    """An engine's support of a runtime or, if it is unavailable, the cause.

    Attributes:
        is_default: Whether jobs of its language that name no runtime use it.
        presets: The names of its presets of compiler flags.
    """

    name: str
    language: Language
    version: str | None
    is_default: bool = False
    presets: tuple[str, ...] = ()
    unavailable_because: Text | str | None = None

    @property
    def is_available(self) -> bool:
        """Whether the engine runs programs in the runtime."""
        return self.unavailable_because is None


@dataclass(slots=True)
class EngineReport:
    """The result of a program, with all of its output. Closing the report closes its streams.

    Attributes:
        result: The result. If it has a log key, the engine wrote that log itself.
        stdout: The whole stream up to the output limit, to be read from its start; None if the engine has no
            more than `result` contains.
        stderr: The whole stderr stream, likewise.
        artifacts: The files that the program wrote and its job requested.
        spool: Holds the contents of the artifacts until the report is closed.
        is_lost: Whether the engine failed the program, which may or may not have run: the job may allow
            another attempt.
        first_time_ms: The wall time of a first run that reached a time limit while the machine was busy; the
            result is that of a second run, alone.
        first_processors: The utilization of the machine's processors during the first run, in percent, at
            regular intervals; empty if unknown.
        processors: The same during the second run.
        arrivals: When its output arrived, if it was streamed while the program ran.
        is_startable: Whether the program has not run, because the engine or the code store was unavailable or
            the engine had no room, and may be started later.
        is_refused: Whether a startable program was refused by an engine that may start others now.
    """

    result: ExecutionResult
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None
    artifacts: Sequence[NewFile] = ()
    spool: FileSpool | None = None
    is_lost: bool = False
    is_startable: bool = False
    is_refused: bool = False
    first_time_ms: int | None = None
    first_processors: Sequence[int] = ()
    processors: Sequence[int] = ()
    arrivals: Arrivals | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        if self.spool is not None:
            self.spool.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseInput:
    """The input of one run of a built program.

    Attributes:
        args: The program's arguments; None for the job's own.
        files: Additional files in the program's directory, by path.
    """

    stdin: bytes
    args: Sequence[str] | None
    limits: Limits
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The end of two programs that communicated with each other.

    Attributes:
        report: The report of the first program, without the output that the second one read.
        other: The report of the second program, without the output that the first one read.
        is_first: Whether the first program ended before the second one.
    """

    report: EngineReport
    other: EngineReport
    is_first: bool


@dataclass(frozen=True, slots=True)
class KeptBuild:
    """The files and the messages of an earlier build."""

    tree: bytes
    compile_output: Output | None = None


# Returns the build with a key, if it is kept.
KnownBuilds = Callable[[str], KeptBuild | None]


def no_builds(_key: str) -> None:
    """Return None: no earlier builds are known."""


class BuiltProgram(ABC):
    """A program that is built once and can be run any number of times, also concurrently.

    Attributes:
        build_key: A digest of all inputs of the build: code, files, commands, the compiler's version, the
            kind of machine. None if there was no build, or if an input is unknown.
        tree: The files of the build, for `ExecutionEngine.build` on another machine; None if nothing was
            built.
        compile_output: The messages of the build; None if nothing was built, or if it was built elsewhere.
    """

    build_key: str | None = None
    tree: bytes | None = None
    compile_output: Output | None = None

    @abstractmethod
    def run(self, given: CaseInput) -> EngineReport:
        """Run the program to its end, in a new sandbox.

        If the program reaches a time limit while the machine is busy, it may be run again, alone.

        Returns a report like `ExecutionEngine.execute`. It is CANCELLED at once if the execution has been
        cancelled.
        """

    def interact(self, given: CaseInput, other: "BuiltProgram", other_given: CaseInput) -> Interaction:
        """Run two programs of this engine concurrently, each with the other's output as its input.

        When one program has ended, the other still reads all that it wrote. If the second one ends first, and
        not successfully, the first one is cancelled.
        """
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Remove the program; none of its runs may be in progress."""


@dataclass(frozen=True, slots=True)
class WarmStarts:
    """How often prewarmed sandboxes of one kind were used.

    Attributes:
        hits: Programs for which a sandbox was ready.
        misses: Programs that could have used a sandbox while none was ready.
        ready: Sandboxes that are ready now.
    """

    hits: int
    misses: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDescription:
    """A description of an engine for operators.

    Attributes:
        is_isolated: Whether programs are isolated from the machine and from each other; None if the engine is
            remote and does not report it.
        missing: The isolation guarantees that this host does not provide, each with its remedy.
        limits: How each limit is enforced, by its name in `Limits`.
        warning: A misconfiguration that matters in production.
        warm_start: Which programs are prewarmed, or why none are.
        control_groups: The path of the programs' control groups; or "not used: ", the cause and the remedy.
        addresses: The addresses of a remote engine, without users and passwords.
        measures_while_running: Whether it reports the usage of a program while the program runs.
    """

    name: str
    is_isolated: bool | None = None
    missing: Sequence[Text | str] = ()
    limits: Mapping[str, Text | str] = field(default_factory=dict)
    warning: Text | str | None = None
    warm_start: Text | str | None = None
    control_groups: Text | str | None = None
    addresses: Sequence[str] = ()
    measures_while_running: bool = False


class ExecutionObserver(ABC):
    """Observes an execution's progress. Its methods are called on the engine's thread."""

    @abstractmethod
    def started(self) -> None:
        """Called when the program is about to start; from now on it may have effects. Called at most once.

        The engine calls this before the first instruction of the program can run, and waits for it. The
        observer may find that the execution must not run any more, and then cancels it, so the engine checks
        for a cancellation before it lets the program start.

        Raises:
            DependencyUnavailable: The start cannot be recorded, so the program must not start.
        """

    def building(self) -> None:  # noqa: B027 - for most engines there is nothing to build
        """Called when the compiler has started: before `started`, at most once."""

    def note(self, note: Note) -> None:  # noqa: B027 - most observers only follow the program
        """Called with a note on the execution, which readers see before the execution ends."""

    def start_failed(self) -> None:  # noqa: B027 - for most engines there is nothing to do
        """Called if the program could not start although a claim implies a start; `started` may follow."""

    @abstractmethod
    def output(self, chunk: OutputChunk) -> None:
        """Called when the program has written output."""

    def usage(self, sample: UsageSample) -> None:  # noqa: B027 - most observers wait for the result
        """Called about once a second with the program's current usage, by engines that know it."""


class ExecutionEngine(ABC):
    """Runs programs. Safe to call from several threads."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The engine's name for people."""

    @property
    def claim_implies_start(self) -> bool:
        """Whether a program starts as soon as it is claimed, so that the claim also records the start.

        Such an engine calls `start_failed` for a program that it could not begin to start.
        """
        return False

    @abstractmethod
    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Run a program to its end, within its limits, and return the report.

        Everything that the program does, and every failure of the engine, becomes a result with a reason;
        other exceptions are bugs of the engine. None means that the engine has accepted the work and will
        report its end later.

        Raises:
            SecretsUnavailable: From `open_secrets`; the program was not started.
        """

    def refuses_cases(self) -> Text | None:
        """Explain why the engine cannot build a program once and run it for many cases; None if it can."""
        return text("engine.one_input", engine=self.name)

    def build(
        self,
        request: ExecutionRequest,
        observer: ExecutionObserver,
        tree: bytes | None = None,
        known: KnownBuilds = no_builds,
    ) -> BuiltProgram | EngineReport:
        """Build a program for many runs, until it is closed; return a report if the build fails.

        Args:
            request: The program. Its input is not used.
            observer: Observes the build. The caller records the start of the first run.
            tree: The files of an earlier build elsewhere; None to build the program.
            known: Looks up an earlier identical build before building.
        """
        raise NotImplementedError(self.refuses_cases())

    @abstractmethod
    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop an execution; `execute` then soon returns a CANCELLED result.

        All runs of programs that were built for an execution of this job are stopped too.

        An engine that knows only jobs may stop every program of this job, so nothing else of the job may be
        running or about to start. The execution may already have ended or run elsewhere.
        """

    def detach(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop an execution without affecting anything else of its job, and without a request or a wait.

        By default it is cancelled, because most engines distinguish the executions of a job.
        """
        self.cancel(execution_id, job_id)

    def runtimes(self) -> Sequence[RuntimeSupport]:
        """Return the runtimes; by default, one per language."""
        return [
            RuntimeSupport(
                name=support.language.name,
                language=support.language,
                version=support.version,
                is_default=True,
                unavailable_because=support.unavailable_because,
            )
            for support in self.languages()
        ]

    @abstractmethod
    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages that the engine knows. Cheap, because it is called for every upload."""

    def lacks(self, spec: JobSpec) -> Text | str | None:  # noqa: ARG002 - for most engines all machines are alike
        """Explain why a job's runtime is not on this machine, though it may be on another; None if it is."""
        return None

    def served_queues(self) -> frozenset[str]:
        """Return the queues whose executions can run here: of languages, and of other runtimes."""
        available = (support.name for support in self.runtimes() if support.is_available)
        return frozenset(map(queue_of, available)) - self.unreachable_queues()

    def unreachable_queues(self) -> frozenset[str]:
        """Return the queues whose programs recently could not be started, even if one may be tried now.

        Queues of runtimes that this machine lacks are included.
        """
        return frozenset()

    def regained_room(self) -> bool:
        """Whether the engine has room again after executions were left waiting for it; true only once.

        Their wake-ups are used up by then. Cheap, because it is called after every execution.
        """
        return False

    def startable_queues(self) -> frozenset[str] | None:
        """Return the queues whose executions may be claimed; None for all of them.

        Cheap, because it is called for every claim.
        """
        return None

    def warm_starts(self) -> Mapping[str, WarmStarts]:
        """Return the use of prewarmed sandboxes, by kind; most engines have none."""
        return {}

    def describe(self) -> EngineDescription:
        """Describe the engine for operators."""
        return EngineDescription(name=self.name)

    @abstractmethod
    def check(self) -> None:
        """Check cheaply whether programs can be run.

        Raises:
            DependencyUnavailable: They cannot.
        """
