import os
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from queue import Queue
from threading import Event
from uuid import uuid4

from application.ports.execution_engine import (
    EngineReport,
    ExecutionEngine,
    ExecutionObserver,
    ExecutionRequest,
)
from application.ports.object_store import ObjectStore
from application.ports.output_feed import OutputChunk, Stream, UsageSample
from domain.blob import BlobRef
from domain.execution import ExecutionResult
from domain.files import JobFile
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS, Limits
from domain.submission import JobSpec
from domain.tenant import DEFAULT_TENANT
from domain.values import ExecutionId, JobId, ObjectKey

# The factor by which programs take longer than on an ordinary machine: on an emulated one, say.
SLOWNESS = float(os.environ.get("SERVICE_SERVER_TEST_SLOWNESS") or 1)
_TIMES = ("timeout_ms", "cpu_time_ms", "build_timeout_ms", "build_cpu_time_ms")


class Feature(Enum):
    """The optional abilities of an engine."""

    RUNS_CODE = auto()
    STDIN = auto()
    ARGUMENTS = auto()
    EXIT_CODE = auto()
    REASONS = auto()  # tells a signal, a failed build and missing code from a program's own failure
    RESOURCES = auto()
    LIMITS = auto()
    LIVE_OUTPUT = auto()
    WHOLE_OUTPUT = auto()
    EXACT_BYTES = auto()  # ... and of output that is no text, too
    CANCEL = auto()


EVERYTHING = frozenset(Feature)


@dataclass(frozen=True, kw_only=True)
class Program:
    """Something to run, in the words of a caller."""

    code: str
    language: str = "python"
    stdin: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    entry: str | None = None
    stdin_bytes: bytes | None = None
    stdin_file: str | None = None
    runtime: str | None = None
    presets: tuple[str, ...] = ()
    artifacts: tuple[str, ...] = ()


class Recorder(ExecutionObserver):
    """Records reports, and lets a test wait for them."""

    def __init__(self) -> None:
        self.starts = 0
        self.builds = 0
        self.chunks: list[OutputChunk] = []
        self.has_started = Event()
        self.has_output = Event()
        self.usages: Queue[UsageSample] = Queue()

    def started(self) -> None:
        self.starts += 1
        self.has_started.set()

    def building(self) -> None:
        assert self.starts == 0
        self.builds += 1

    def output(self, chunk: OutputChunk) -> None:
        self.chunks.append(chunk)
        self.has_output.set()

    def usage(self, sample: UsageSample) -> None:
        self.usages.put(sample)

    def written(self, stream: Stream) -> bytes:
        return b"".join(chunk.data for chunk in self.chunks if chunk.stream is stream)


@dataclass(frozen=True)
class Ended:
    """How a program ended, with every byte that it wrote."""

    result: ExecutionResult
    stdout: bytes | None
    stderr: bytes | None
    is_startable: bool = False
    is_refused: bool = False


@dataclass(frozen=True)
class Started:
    """A program that runs on a thread of its own."""

    request: ExecutionRequest
    recorder: Recorder
    end: Future[Ended]


class EngineUnderTest:
    """An engine, and the store that it takes code from."""

    def __init__(self, engine: ExecutionEngine, store: ObjectStore) -> None:
        self.engine = engine
        self.store = store
        self._threads = ThreadPoolExecutor(max_workers=32)

    def close(self) -> None:
        self._threads.shutdown()

    def request(self, program: Program) -> ExecutionRequest:
        """Upload a program, and ask for it to be run."""
        language = LANGUAGES[program.language]
        job_id = uuid4()
        key = ObjectKey(f"kit/{job_id}{language.extension}")
        self.store.put(key, program.code.encode(), "text/plain")
        spec = JobSpec(
            code_key=key,
            language=language,
            limits=_on_this_machine(STANDARD_LIMITS.resolve(program.limits)),
            args=program.args,
            env=program.env,
            entry=program.entry,
            files=tuple(JobFile(path, self._keep(content)) for path, content in program.files.items()),
            stdin_file=program.stdin_file,
            artifacts=program.artifacts,
            stdin_blob=None if program.stdin_bytes is None else self._keep(program.stdin_bytes),
            runtime=program.runtime,
            presets=program.presets,
        )
        return ExecutionRequest(
            execution_id=ExecutionId(uuid4()),
            job_id=JobId(job_id),
            spec=spec,
            stdin=program.stdin,
            open_secrets=lambda: program.secrets,
        )

    def _keep(self, content: bytes) -> BlobRef:
        blob = BlobRef.of(content)
        self.store.put(blob.key(DEFAULT_TENANT), content, "application/octet-stream")
        return blob

    def forget_code(self, request: ExecutionRequest) -> None:
        self.store.delete(request.spec.code_key)

    def run(self, program: Program, observer: ExecutionObserver | None = None) -> Ended:
        return self.execute(self.request(program), observer or Recorder())

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> Ended:
        report = self.engine.execute(request, observer)
        assert isinstance(report, EngineReport)
        with report:
            stdout, stderr = (
                stream.read() if stream is not None else None for stream in (report.stdout, report.stderr)
            )
        return Ended(report.result, stdout, stderr, report.is_startable, report.is_refused)

    def start(self, program: Program) -> Started:
        """Run a program on a thread of its own."""
        request, recorder = self.request(program), Recorder()
        return Started(request, recorder, self._threads.submit(self.execute, request, recorder))


def _on_this_machine(limits: Limits) -> Limits:
    return replace(limits, **{name: int(getattr(limits, name) * SLOWNESS) for name in _TIMES})
