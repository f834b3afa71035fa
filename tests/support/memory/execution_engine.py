from collections.abc import Callable, Sequence
from threading import Event, Lock

from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
    LanguageSupport,
)
from application.ports.output_feed import OutputChunk, Stream
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.values import ExecutionId, JobId

_CANCELLED = ExecutionResult(
    status=JobStatus.CANCELLED, reason=Reason.CANCELLED, error="The job was cancelled."
)


class MemoryRun:
    """A program that a script simulates.

    Attributes:
        request: The request of the run.
    """

    def __init__(self, request: ExecutionRequest, observer: ExecutionObserver) -> None:
        self.request = request
        self._observer = observer
        self._written = dict.fromkeys(Stream, b"")
        self._cancelled = Event()

    def start(self) -> None:
        """Start the program."""
        self._observer.started()

    def write(self, stream: Stream, data: bytes) -> None:
        """Write output of the program."""
        chunk = OutputChunk(stream, len(self._written[stream]), data)
        self._written[stream] += data
        self._observer.output(chunk)

    def end(self, exit_code: int = 0) -> ExecutionResult:
        """End the program by itself."""
        ended_well = exit_code == 0
        stdout, stderr = (Output.of(self._written[stream].decode("utf-8", "replace")) for stream in Stream)
        return ExecutionResult(
            status=JobStatus.SUCCESS if ended_well else JobStatus.FAILED,
            reason=None if ended_well else Reason.NONZERO_EXIT,
            stdout=stdout,
            stderr=stderr,
            exit_code=exit_code,
        )

    def run_until_cancelled(self) -> ExecutionResult:
        """Run the program until it is cancelled."""
        self._cancelled.wait()
        return _CANCELLED

    def cancel(self) -> None:
        """Stop the program."""
        self._cancelled.set()


Script = Callable[[MemoryRun], ExecutionResult | None]


def echo(run: MemoryRun) -> ExecutionResult:
    """Simulate a program that writes its stdin to its stdout."""
    run.start()
    run.write(Stream.STDOUT, run.request.stdin.encode())
    return run.end()


class MemoryExecutionEngine(ExecutionEngine):
    """Simulates each program by a script. A script that returns None reports the end itself.

    Attributes:
        requests: All requests, in order.
    """

    def __init__(self, script: Script = echo) -> None:
        self._script = script
        self._lock = Lock()
        self._runs: dict[ExecutionId, MemoryRun] = {}
        self.requests: list[ExecutionRequest] = []

    @property
    def name(self) -> str:
        """The name of the engine."""
        return "memory"

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport | None:
        """Simulate a program until its end."""
        run = MemoryRun(request, observer)
        with self._lock:
            self.requests.append(request)
            self._runs[request.execution_id] = run
        try:
            result = self._script(run)
        finally:
            with self._lock:
                del self._runs[request.execution_id]
        return EngineReport(result) if result is not None else None

    def cancel(self, execution_id: ExecutionId, job_id: JobId) -> None:  # noqa: ARG002 - the port's signature
        """Stop a program whose script waits for that."""
        with self._lock:
            run = self._runs.get(execution_id)
        if run is not None:
            run.cancel()

    def languages(self) -> Sequence[LanguageSupport]:
        """Return all languages, because a script can simulate each."""
        return [LanguageSupport(language, version=None) for language in LANGUAGES.values()]

    def check(self) -> None:
        """Succeed, because memory is always available."""
