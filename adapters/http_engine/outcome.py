"""How an execution ended: from a runner's answer, or from its silence."""

from collections.abc import Iterator

from adapters.http_engine.answer import RunnerAnswer
from adapters.http_engine.cancellation import CancelReply
from adapters.http_engine.spool import Spool
from adapters.http_engine.text import inline
from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, LimitHit, Note
from domain.job_lifecycle import JobStatus, Reason
from domain.limits import Limits

_MIB = 1 << 20
# Where Node's runner cuts a stream: the default `maxBuffer` of its child processes.
CUT_BYTES = 1 << 20
_CUT_CHARACTER = "\N{REPLACEMENT CHARACTER}".encode()
_MAX_CUT_BYTES = 3


def report(answer: RunnerAnswer, limits: Limits, inline_bytes: int, spool: Spool) -> EngineReport:
    """Build the report of a program that has ended.

    Args:
        answer: What the runner says.
        limits: The job's limits.
        inline_bytes: How much of each stream the result carries.
        spool: Where the streams wait to be written to the log.
    """
    status, reason, message, limit = _verdict(answer, limits)
    result = ExecutionResult(
        status=status,
        reason=reason,
        stdout=inline(answer.stdout, inline_bytes),
        stderr=inline(answer.stderr, inline_bytes),
        exit_code=answer.exit_code,
        resource=answer.resource,
        limit=limit,
        error_message=message,
        log_key=answer.log_key,
        notes=tuple(_notes(answer)),
    )
    stdout = answer.stdout[: limits.output_mb * _MIB]
    stderr = answer.stderr[: limits.output_mb * _MIB - len(stdout)]
    return EngineReport(result, spool.keep(stdout), spool.keep(stderr))


def _notes(answer: RunnerAnswer) -> Iterator[Note]:
    if answer.exit_code is None:
        yield Note.EXIT_CODE_UNKNOWN
    if _was_cut(answer.stdout) or _was_cut(answer.stderr):
        yield Note.OUTPUT_CUT_BY_RUNNER


def _was_cut(data: bytes) -> bool:
    """Whether a stream ends where runners cut it; a character that the cut went through is U+FFFD by then."""
    if len(data) == CUT_BYTES:
        return True
    whole = data.removesuffix(_CUT_CHARACTER)
    return len(whole) < len(data) and CUT_BYTES - _MAX_CUT_BYTES <= len(whole) < CUT_BYTES


def _verdict(
    answer: RunnerAnswer, limits: Limits
) -> tuple[JobStatus, Reason | None, str | None, LimitHit | None]:
    written = len(answer.stdout) + len(answer.stderr)
    allowed = limits.output_mb
    if written > allowed * _MIB:
        message = f"The program wrote more than the {allowed} MiB of output allowed."
        hit = LimitHit("output_mb", -(-written // _MIB), allowed)
        return JobStatus.FAILED, Reason.OUTPUT_LIMIT, message, hit
    if not answer.is_exit_code_readable:
        message = "The program ended, but the exit code that the engine gave could not be read."
        return JobStatus.FAILED, Reason.ENGINE_ERROR, message, None
    if answer.exit_code:
        message = f"The program ended with exit code {answer.exit_code}."
        return JobStatus.FAILED, Reason.NONZERO_EXIT, message, None
    if answer.exit_code is None and answer.stderr:
        message = "The engine gave no exit code, and its stderr is not empty: that counts as a failure."
        return JobStatus.FAILED, Reason.NONZERO_EXIT, message, None
    return JobStatus.SUCCESS, None, None, None


def too_large(max_bytes: int) -> EngineReport:
    """Build the report of a program whose answer is more than is read."""
    message = f"The engine's answer is larger than the {max_bytes // _MIB} MiB that are read of one."
    return EngineReport(ExecutionResult.failed(Reason.OUTPUT_LIMIT, message))


def out_of_time(elapsed_s: float, limits: Limits, remark: str | None = None) -> EngineReport:
    """Build the report of a program that the engine gave no answer for in time."""
    allowed = limits.timeout_ms
    message = f"The engine gave no answer within the {allowed} ms allowed."
    return EngineReport(
        ExecutionResult(
            status=JobStatus.TIMEOUT,
            reason=Reason.WALL_TIME_LIMIT,
            limit=LimitHit("timeout_ms", round(elapsed_s * 1000), allowed),
            error_message=message if remark is None else f"{message} {remark}",
        )
    )


def stopped(reply: CancelReply) -> EngineReport:
    """Build the report of an execution that is not waited for any more."""
    cause = "" if reply is CancelReply.NOT_ASKED else "The job was cancelled. "
    return EngineReport(
        ExecutionResult(
            status=JobStatus.CANCELLED,
            reason=Reason.CANCELLED,
            error_message=cause + reply.value,
            notes=reply.notes,
        )
    )


def not_started(message: str) -> EngineReport:
    """Build the report of a program that the engine could not start; it may be started later."""
    result = ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, message)
    return EngineReport(result, is_startable=True)


def failed(reason: Reason, message: str, *, is_lost: bool = False) -> EngineReport:
    """Build the report of an execution that has no outcome."""
    return EngineReport(ExecutionResult.failed(reason, message), is_lost=is_lost)
