"""Requests to run, and an observer that remembers."""

import time
from collections.abc import Callable
from uuid import uuid4

from application.ports.execution_engine import EngineReport, ExecutionObserver, ExecutionRequest
from application.ports.output_feed import OutputChunk
from domain.execution import Note
from domain.job_lifecycle import JobStatus, Reason
from domain.language import parse_language
from domain.limits import STANDARD_LIMITS
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId, ObjectKey


class RememberingObserver(ExecutionObserver):
    """Records reports; calls a function at the start, if it has one."""

    def __init__(self, at_start: Callable[[], None] = lambda: None) -> None:
        self.starts = 0
        self.delays = 0
        self.chunks: list[OutputChunk] = []
        self.notes: list[Note] = []
        self._at_start = at_start

    def started(self) -> None:
        self.starts += 1
        self._at_start()

    def start_failed(self) -> None:
        self.delays += 1

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def output(self, chunk: OutputChunk) -> None:
        self.chunks.append(chunk)


def a_request(language="python", stdin="", timeout_ms=5_000, code_key=None, **spec):
    limits = STANDARD_LIMITS.resolve({"timeout_ms": timeout_ms} | spec.pop("limits", {}))
    parsed = parse_language(language)
    return ExecutionRequest(
        execution_id=ExecutionId(uuid4()),
        job_id=JobId(uuid4()),
        spec=JobSpec(
            code_key=ObjectKey(code_key or f"demo/main{parsed.extension}"),
            language=parsed,
            limits=limits,
            **spec,
        ),
        stdin=stdin,
    )


def outcome(report: EngineReport) -> tuple[JobStatus, Reason | None]:
    return report.result.status, report.result.reason


def wait_until(condition, within_s=90.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


SUCCESS = (JobStatus.SUCCESS, None)
NONZERO_EXIT = (JobStatus.FAILED, Reason.NONZERO_EXIT)
UNAVAILABLE = (JobStatus.FAILED, Reason.ENGINE_UNAVAILABLE)
ENGINE_ERROR = (JobStatus.FAILED, Reason.ENGINE_ERROR)
INTERNAL = (JobStatus.FAILED, Reason.INTERNAL)
OUTPUT_LIMIT = (JobStatus.FAILED, Reason.OUTPUT_LIMIT)
TIMEOUT = (JobStatus.TIMEOUT, Reason.WALL_TIME_LIMIT)
CANCELLED = (JobStatus.CANCELLED, Reason.CANCELLED)
