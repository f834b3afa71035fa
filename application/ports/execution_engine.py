from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Self

from application.ports.output_feed import OutputChunk
from domain.execution import ExecutionResult, Note
from domain.language import Language
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionRequest:
    """A program to run. The engine fetches its code by `spec.code_key` itself."""

    execution_id: ExecutionId
    job_id: JobId
    spec: JobSpec
    stdin: str


@dataclass(frozen=True, slots=True)
class LanguageSupport:
    """Whether an engine runs a language, and if not, why and what to do about it."""

    language: Language
    version: str | None
    unavailable_because: str | None = None

    @property
    def is_available(self) -> bool:
        """Whether the engine runs the language."""
        return self.unavailable_because is None


@dataclass(slots=True)
class EngineReport:
    """What came of a program, with all that it wrote. Closing the report closes both streams.

    Attributes:
        result: Its log key, if it has one, is that of a log which the engine says that it wrote itself.
        stdout: The whole stream up to the output limit, to be read from its start; None if the engine has
            no more than the result says.
        stderr: The same for the other stream.
        is_lost: Whether the engine failed the program, which may have run or was not started: the job may
            allow another attempt.
        is_startable: Whether the program has not run, for its engine was away or had no room, or the store
            of its code was away: it may be started later.
    """

    result: ExecutionResult
    stdout: IO[bytes] | None = None
    stderr: IO[bytes] | None = None
    is_lost: bool = False
    is_startable: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineDescription:
    """What an operator should know of an engine.

    Attributes:
        is_isolated: Whether programs are kept from the machine and from each other; None if the engine is
            elsewhere and does not say.
        limits: How each limit is enforced, by its name in `Limits`.
        warning: What is not as it should be in production.
        warm_start: Which programs are started ahead of their jobs, or why none are.
        control_groups: Where the kernel's control groups of programs are; or "not used: ", the cause and what
            to do about it.
    """

    name: str
    is_isolated: bool | None = None
    limits: Mapping[str, str] = field(default_factory=dict)
    warning: str | None = None
    warm_start: str | None = None
    control_groups: str | None = None


class ExecutionObserver(ABC):
    """Who is told how an execution comes along, on the engine's thread."""

    @abstractmethod
    def started(self) -> None:
        """The program is about to start: from now on it may have effects. Called at most once.

        The engine calls this before the first instruction of the program can run, and waits for it. Whoever
        is told may find that the execution is not to run any more, and has it cancelled then: so the engine
        looks whether it has been cancelled before it lets the program start.

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


class ExecutionEngine(ABC):
    """Runs programs. Safe to call from several threads."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What the engine is called, for people."""

    @property
    def claim_implies_start(self) -> bool:
        """Whether a program starts as soon as it is claimed, so that its claim is its start as well.

        Such an engine tells the observer of a program that it could not begin to start.
        """
        return False

    @abstractmethod
    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Run a program to its end, within its limits, and say what came of it.

        Whatever the program does, and whatever fails in the engine, becomes a result with a reason; this
        raises for nothing but its own bugs. None means that the engine has taken the work and will report
        its end by itself.
        """

    @abstractmethod
    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop an execution: `execute` then returns soon, with a CANCELLED result.

        An engine that knows jobs only may stop whatever it runs of this one, so nothing else of the job may
        be running or begin. An execution that is not, or no longer, running here is no error.
        """

    def detach(self, execution_id: ExecutionId, job_id: JobId) -> None:
        """Stop an execution as far as that reaches nothing else of its job. Asks nobody, and never waits.

        By default it is cancelled: most engines tell the executions of a job apart.
        """
        self.cancel(execution_id, job_id)

    @abstractmethod
    def languages(self) -> Sequence[LanguageSupport]:
        """Return the languages that the engine knows. Cheap enough to be asked for every upload."""

    def unreachable_languages(self) -> frozenset[str]:
        """Return the languages whose programs could not be started of late, also if one may be tried now."""
        return frozenset()

    def paused_languages(self) -> frozenset[str]:
        """Return the languages whose programs cannot be started now: nothing of theirs is to be claimed.

        Cheap enough to be asked for every claim.
        """
        return frozenset()

    def startable_languages(self) -> frozenset[str] | None:
        """Return the languages that executions are to be claimed in; None for all of them."""
        paused = self.paused_languages()
        if not paused:
            return None
        return frozenset(support.language.name for support in self.languages()) - paused

    def describe(self) -> EngineDescription:
        """Say what keeps programs in their place."""
        return EngineDescription(name=self.name)

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether programs can be run.

        Raises:
            DependencyUnavailable: They cannot.
        """
