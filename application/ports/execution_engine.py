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
from domain.catalogue.text import Text
from domain.execution import ExecutionResult, Note, Output
from domain.language import Language
from domain.limits import Limits
from domain.runtime import queue_of
from domain.submission import NO_VARIABLES, JobSpec
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import ExecutionId, JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRequest:
    """A program to run. The engine fetches its code by `spec.code_key`, and its blobs, itself.

    Attributes:
        stdin: Its input, unless `spec.stdin_file` or `spec.stdin_blob` is that.
        tenant: The owner of the job and its blobs.
        open_secrets: Returns the program's secret variables, to be called just before it starts; raises
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
    """Support of an engine for a language; without it, the cause and the remedy.

    Attributes:
        version: The compiler's or the interpreter's; None if it is not known.
        takes_files: Whether programs of several files can be run, and read and write bytes that are no text.
        is_version_awaited: Whether the version is being asked for, so that it is known in a moment.
    """

    language: Language
    version: str | None
    unavailable_because: Text | str | None = None
    takes_files: bool = True
    is_version_awaited: bool = False

    @property
    def is_available(self) -> bool:
        """Whether the engine runs the language."""
        return self.unavailable_because is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSupport:
    """Support of an engine for a runtime; without it, the cause.

    Attributes:
        is_default: Whether it is the one that a job of its language has which names none.
        presets: The names of sets of its compiler's flags.
    """

    name: str
    language: Language
    version: str | None
    is_default: bool = False
    presets: tuple[str, ...] = ()
    unavailable_because: Text | str | None = None

    @property
    def is_available(self) -> bool:
        """Whether the engine runs programs in it."""
        return self.unavailable_because is None


@dataclass(slots=True)
class EngineReport:
    """Result of a program, with all its output. Closing the report closes both streams.

    Attributes:
        result: Its log key, if it has one, is that of a log which the engine wrote itself.
        stdout: The whole stream up to the output limit, to be read from its start; None if the engine has
            no more than the result has.
        stderr: The same for the other stream.
        artifacts: The files that the program wrote and that its job wants.
        spool: Has their contents until the report is closed.
        is_lost: Whether the engine failed the program, which may have run or was not started: the job may
            allow another attempt.
        first_time_ms: The wall time of a first run that reached a time limit while the machine was busy; the
            result is that of a second one, alone.
        first_processors: The use of the machine's processors during that first run, in percent, at even
            steps; empty if it is not known.
        processors: The same during the second run.
        arrivals: When its output arrived, if it was passed on while the program ran.
        is_startable: Whether the program has not run, for its engine was away or had no room, or the store
            of its code was away: it may be started later.
    """

    result: ExecutionResult
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None
    artifacts: Sequence[NewFile] = ()
    spool: FileSpool | None = None
    is_lost: bool = False
    is_startable: bool = False
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
    """The input of one run of a program that is built.

    Attributes:
        args: The program's arguments; None for the job's own.
        files: More files in the program's directory, by their paths.
    """

    stdin: bytes
    args: Sequence[str] | None
    limits: Limits
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The end of two programs that spoke with each other.

    Attributes:
        report: The report of the first one, without the output that the other one has read.
        other: The same of the second one.
        is_first: Whether the first one has ended before the second one.
    """

    report: EngineReport
    other: EngineReport
    is_first: bool


@dataclass(frozen=True, slots=True)
class KeptBuild:
    """The files that an earlier build left, and its messages."""

    tree: bytes
    compile_output: Output | None = None


# Returns the build of a key, if it is kept.
KnownBuilds = Callable[[str], KeptBuild | None]


def no_builds(_key: str) -> None:
    """Know no build."""


class BuiltProgram(ABC):
    """A program that is built once, and run any number of times, also at once.

    Attributes:
        build_key: A digest of all that the build is made of: code, files, commands, the compiler's version,
            the kind of machine. None if there was no build, or one of these is not known.
        tree: The files that the build left, for `ExecutionEngine.build` on another machine; None if nothing
            was built.
        compile_output: The messages of the build; None if nothing was built, or that was elsewhere.
    """

    build_key: str | None = None
    tree: bytes | None = None
    compile_output: Output | None = None

    @abstractmethod
    def run(self, given: CaseInput) -> EngineReport:
        """Run the program to its end, in a sandbox that nothing else was or is in.

        One that reaches a time limit while the machine is busy may be run once more, alone.

        Returns the report as `ExecutionEngine.execute` does. It is CANCELLED at once if the execution has
        been cancelled.
        """

    def interact(self, given: CaseInput, other: "BuiltProgram", other_given: CaseInput) -> Interaction:
        """Run two programs of this engine side by side, each with the other's output as its input.

        When one has ended, the other one reads to the end of what it wrote. The first one is cancelled if the
        second one has ended before it, and not well.
        """
        raise NotImplementedError

    @abstractmethod
    def close(self) -> None:
        """Forget the program. None of it runs any more."""


@dataclass(frozen=True, slots=True)
class WarmStarts:
    """Use of the sandboxes of one kind that are started ahead of their programs.

    Attributes:
        hits: Programs for which one was ready.
        misses: Programs for which none was, that it would have served.
        ready: Sandboxes that wait now.
    """

    hits: int
    misses: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDescription:
    """Description of an engine for an operator.

    Attributes:
        is_isolated: Whether programs are kept from the machine and from each other; None if the engine is
            elsewhere without a word of it.
        missing: The guarantees of isolation that this host does not give, each with its remedy.
        limits: How each limit is enforced, by its name in `Limits`.
        warning: A fault of the set-up, in production.
        warm_start: Which programs are started ahead of their jobs, or why none are.
        control_groups: Place of the control groups of programs; or "not used: ", the cause and the
            remedy.
        addresses: The addresses of an engine that is elsewhere, without users and passwords.
        measures_while_running: Whether it passes on the usage of a program while that runs.
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
    """Observer of an execution's progress, called on the engine's thread."""

    @abstractmethod
    def started(self) -> None:
        """The program is about to start: from now on it may have effects. Called at most once.

        The engine calls this before the first instruction of the program can run, and waits for it. The
        observer may find that the execution is not to run any more, and cancels it then: so the engine
        checks for a cancellation before it lets the program start.

        Raises:
            DependencyUnavailable: The start cannot be recorded, so the program must not start.
        """

    def building(self) -> None:  # noqa: B027 - for most engines there is nothing to build
        """The compiler has started. Called before `started`, at most once."""

    def note(self, note: Note) -> None:  # noqa: B027 - most observers only follow the program
        """A remark on the execution, for its reader to see before it ends."""

    def start_failed(self) -> None:  # noqa: B027 - for most engines there is nothing to do
        """The program has not started, although its engine starts at once; `started` may come yet."""

    @abstractmethod
    def output(self, chunk: OutputChunk) -> None:
        """The program has written something."""

    def usage(self, sample: UsageSample) -> None:  # noqa: B027 - most observers wait for the result
        """The program uses so much now. Called about once a second, by engines that know it."""


class ExecutionEngine(ABC):
    """Runs programs. Safe to call from several threads."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the engine, for people."""

    @property
    def claim_implies_start(self) -> bool:
        """Whether a program starts as soon as it is claimed, so that its claim is its start as well.

        Such an engine calls `start_failed` for a program that it could not begin to start.
        """
        return False

    @abstractmethod
    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Run a program to its end, within its limits, and return the report.

        Every act of the program, and every failure of the engine, becomes a result with a reason; this
        raises for nothing but its own bugs. None means that the engine has taken the work and will report
        its end by itself.

        Raises:
            SecretsUnavailable: From `open_secrets`; the program was not started.
        """

    def refuses_cases(self) -> str | None:
        """Explain why the engine cannot build a program once and run it for many cases; None if it can."""
        return f"{self.name} takes one input for each upload"

    def build(
        self,
        request: ExecutionRequest,
        observer: ExecutionObserver,
        tree: bytes | None = None,
        known: KnownBuilds = no_builds,
    ) -> BuiltProgram | EngineReport:
        """Build a program for many runs, until it is closed; return the report of one that does not build.

        Args:
            request: The program. Its input is not used.
            observer: Hears of the build. The start of the first run is the caller's to record.
            tree: The files that its build left elsewhere; None to build it.
            known: Asked for an earlier build of the same before it is built.
        """
        raise NotImplementedError(self.refuses_cases())

    @abstractmethod
    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop an execution: `execute` then returns soon, with a CANCELLED result.

        So do all runs of programs that were built for an execution of this job.

        An engine that knows jobs only may stop every program of this job, so nothing else of the job may
        be running or begin. An execution that is not, or no longer, running here is no error.
        """

    def detach(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop an execution as far as that reaches nothing else of its job, without a request or a wait.

        By default it is cancelled: most engines distinguish the executions of a job.
        """
        self.cancel(execution_id, job_id)

    def runtimes(self) -> Sequence[RuntimeSupport]:
        """Return the runtimes; those of an engine that knows of no others are its languages themselves."""
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
        """Return the languages that the engine knows. Cheap enough to be asked for every upload."""

    def lacks(self, spec: JobSpec) -> Text | str | None:  # noqa: ARG002 - for most engines all machines are alike
        """Explain why a job's runtime is not on this machine, though it may be on another; None if it is."""
        return None

    def served_queues(self) -> frozenset[str]:
        """Return the queues whose executions can be run here: of languages, and of other runtimes."""
        available = (support.name for support in self.runtimes() if support.is_available)
        return frozenset(map(queue_of, available)) - self.unreachable_languages()

    def unreachable_languages(self) -> frozenset[str]:
        """Return the languages whose programs could not be started of late, also if one may be tried now.

        With the queues of runtimes that this machine has not.
        """
        return frozenset()

    def paused_languages(self) -> frozenset[str]:
        """Return the languages whose programs cannot be started now: nothing of theirs is to be claimed.

        Cheap enough to be asked for every claim.
        """
        return frozenset()

    def regained_room(self) -> bool:
        """Whether the engine has room again after it had none, and was asked for nothing: true once.

        Executions that wait have had their wake-ups by then. Cheap enough to be asked after every execution.
        """
        return False

    def startable_languages(self) -> frozenset[str] | None:
        """Return the languages, and queues of runtimes, to claim executions of; None for all of them."""
        paused = self.paused_languages()
        if not paused:
            return None
        return frozenset(support.language.name for support in self.languages()) - paused

    def warm_starts(self) -> Mapping[str, WarmStarts]:
        """Return the use of sandboxes that are started ahead, by their kind; most engines have none."""
        return {}

    def describe(self) -> EngineDescription:
        """Describe the isolation of programs."""
        return EngineDescription(name=self.name)

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether programs can be run.

        Raises:
            DependencyUnavailable: They cannot.
        """
