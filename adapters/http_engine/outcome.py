"""Builders of engine reports from a runner's answer, a timeout, or the reply to a cancellation."""

from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import IO

from adapters.common.overflow_file import OverflowFile
from adapters.http_engine.answer import RunnerAnswer
from application.ports.execution_engine import EngineReport
from domain.catalogue.figures import duration
from domain.catalogue.text import Text, text
from domain.execution import ExecutionResult, LimitHit, Note, Output
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import Limits

_MIB = 1 << 20
# The length at which the Node.js runner truncates a stream: the default `maxBuffer` of child processes.
CUT_BYTES = 1 << 20
_CUT_CHARACTER = "\N{REPLACEMENT CHARACTER}".encode()
_MAX_CUT_BYTES = 3
# Statuses of a server that does not know the address or the method.
_UNKNOWN_TO_IT = frozenset({404, 405, 501})


class CancelReply(Enum):
    """A runner's reply to the request to stop a program. The value is a sentence for the job's owner."""

    NOT_SENT = text("outcomes.not_sent")
    NOT_ASKED = text("outcomes.not_asked")
    ACCEPTED = text("outcomes.stop_accepted")
    NOT_SUPPORTED = text("outcomes.stop_not_supported")
    REFUSED = text("outcomes.stop_refused")
    NO_ANSWER = text("outcomes.stop_no_answer")

    @classmethod
    def of_status(cls, status: int) -> "CancelReply":
        """Return the reply that a status stands for."""
        if status in _UNKNOWN_TO_IT:
            return cls.NOT_SUPPORTED
        return cls.ACCEPTED if status // 100 == 2 else cls.REFUSED  # noqa: PLR2004 - RFC 9110, 15: the class

    @property
    def notes(self) -> tuple[Note, ...]:
        """The notes on the execution that follow from the reply."""
        if self is CancelReply.NOT_SUPPORTED:
            return (Note.CANCEL_NOT_SUPPORTED,)
        return () if self in {CancelReply.NOT_SENT, CancelReply.ACCEPTED} else (Note.MAY_RUN_ON,)


def report(answer: RunnerAnswer, limits: Limits, inline_bytes: int, directory: Path | None) -> EngineReport:
    """Build the report of a program that has ended.

    Args:
        answer: The runner's answer.
        limits: The job's limits.
        inline_bytes: The maximum size of each stream in the result.
        directory: The directory for streams that are too large for memory, until they are in the log.
    """
    status, reason, message, limit = _classify(answer, limits)
    result = ExecutionResult(
        status=status,
        reason=reason,
        stdout=Output.of_pieces({0: answer.stdout}, inline_bytes),
        stderr=Output.of_pieces({0: answer.stderr}, inline_bytes),
        exit_code=answer.exit_code,
        resource=answer.resource,
        limit=limit,
        error=message,
        log_key=answer.log_key,
        notes=tuple(_notes(answer)),
    )
    stdout = answer.stdout[: limits.output_mb * _MIB]
    stderr = answer.stderr[: limits.output_mb * _MIB - len(stdout)]
    return EngineReport(result, _stored(stdout, directory), _stored(stderr, directory))


def _stored(data: bytes, directory: Path | None) -> IO[bytes]:
    file = OverflowFile(directory=directory)
    file.write(data)
    return file.rewound()


def _notes(answer: RunnerAnswer) -> Iterator[Note]:
    if answer.exit_code is None:
        yield Note.EXIT_CODE_UNKNOWN
    if _was_cut(answer.stdout) or _was_cut(answer.stderr):
        yield Note.OUTPUT_CUT_BY_RUNNER


def _was_cut(data: bytes) -> bool:
    """Whether a stream ends where runners truncate it; a character that was cut in two appears as U+FFFD."""
    if len(data) == CUT_BYTES:
        return True
    whole = data.removesuffix(_CUT_CHARACTER)
    return len(whole) < len(data) and CUT_BYTES - _MAX_CUT_BYTES <= len(whole) < CUT_BYTES


def _classify(
    answer: RunnerAnswer, limits: Limits
) -> tuple[JobStatus, Reason | None, Text | None, LimitHit | None]:
    written = len(answer.stdout) + len(answer.stderr)
    allowed = limits.output_mb
    if written > allowed * _MIB:
        message = text("outcomes.output_more", allowed=allowed)
        hit = LimitHit("output_mb", -(-written // _MIB), allowed)
        return JobStatus.FAILED, Reason.OUTPUT_LIMIT, message, hit
    if not answer.is_exit_code_readable:
        message = text("outcomes.exit_code_unreadable")
        return JobStatus.FAILED, Reason.ENGINE_ERROR, message, None
    if answer.exit_code:
        message = text("outcomes.exited", code=answer.exit_code)
        return JobStatus.FAILED, Reason.NONZERO_EXIT, message, None
    if answer.exit_code is None and answer.stderr:
        message = text("outcomes.stderr_counts")
        return JobStatus.FAILED, Reason.NONZERO_EXIT, message, None
    return JobStatus.SUCCESS, None, None, None


def too_large(max_bytes: int) -> EngineReport:
    """Build the report of a program whose answer exceeds the size limit."""
    message = text("outcomes.answer_too_large", allowed=max_bytes // _MIB)
    return EngineReport(ExecutionResult.failed(Reason.OUTPUT_LIMIT, message))


def out_of_time(elapsed_s: float, limits: Limits, remark: Text | None = None) -> EngineReport:
    """Build the report of a program for which the engine gave no answer in time."""
    allowed = limits.timeout_ms
    message = text("outcomes.no_answer", limit=duration(allowed))
    return EngineReport(
        ExecutionResult(
            status=JobStatus.TIMEOUT,
            reason=Reason.WALL_TIME_LIMIT,
            limit=LimitHit("timeout_ms", round(elapsed_s * 1000), allowed),
            error=message if remark is None else text("outcomes.both", first=message, second=remark),
        )
    )


def stopped(reply: CancelReply) -> EngineReport:
    """Build the report of an execution whose request was stopped."""
    both = text("outcomes.both", first=text("outcomes.cancelled"), second=reply.value)
    return EngineReport(
        ExecutionResult(
            status=JobStatus.CANCELLED,
            reason=Reason.CANCELLED,
            error=reply.value if reply is CancelReply.NOT_ASKED else both,
            notes=reply.notes,
        )
    )


def not_started(message: Text | str, *, is_refused: bool) -> EngineReport:
    """Build the report of a program that could not be started, or that its runner had no capacity for."""
    result = ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, message)
    return EngineReport(result, is_startable=True, is_refused=is_refused)


def failed(reason: Reason, message: Text | str, *, is_lost: bool = False) -> EngineReport:
    """Build the report of an execution that has no outcome."""
    return EngineReport(ExecutionResult.failed(reason, message), is_lost=is_lost)
