from collections.abc import Callable, Sequence

from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    LanguageSupport,
)
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.values import ExecutionId, JobId

Program = Callable[[ExecutionRequest, ExecutionObserver], EngineReport | None]


def echo(request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
    """Start, copy stdin to stdout, and succeed."""
    observer.started()
    result = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of(request.stdin), exit_code=0)
    return EngineReport(result)


def take_over(_request: ExecutionRequest, observer: ExecutionObserver) -> None:
    """Start, and leave the report of the end for later."""
    observer.started()


def cancelled_report() -> EngineReport:
    """Return an engine's report of a program that it stopped on request."""
    return EngineReport(ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED))


class ScriptedEngine(ExecutionEngine):
    """Follows a test's script, right or wrong, and records its calls.

    Attributes:
        program: The script of an execution.
        requests: The requests to run, in order.
        cancelled: The executions to be stopped, in order.
        detached: The executions to be stopped here and nowhere else, in order.
        is_quick: Whether it starts programs at once.
        paused: The languages that it cannot start programs in.
        unavailable: Why a language is unavailable, by its name.
    """

    def __init__(self, program: Program = echo) -> None:
        self.program = program
        self.requests: list[ExecutionRequest] = []
        self.cancelled: list[ExecutionId] = []
        self.detached: list[ExecutionId] = []
        self.is_quick = False
        self.paused: frozenset[str] = frozenset()
        self.unavailable: dict[str, str] = {}

    @property
    def name(self) -> str:
        return "scripted"

    @property
    def claim_implies_start(self) -> bool:
        return self.is_quick

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        self.requests.append(request)
        return self.program(request, observer)

    def cancel(self, execution_id: ExecutionId, _job_id: JobId) -> None:
        self.cancelled.append(execution_id)

    def detach(self, execution_id: ExecutionId, _job_id: JobId) -> None:
        self.detached.append(execution_id)

    def languages(self) -> Sequence[LanguageSupport]:
        return [
            LanguageSupport(language, version="1.0", unavailable_because=self.unavailable.get(language.name))
            for language in LANGUAGES.values()
        ]

    def paused_languages(self) -> frozenset[str]:
        return self.paused

    def unreachable_languages(self) -> frozenset[str]:
        return self.paused

    def check(self) -> None:
        """Functions can always be called."""
