"""The verdict on a program, from how it ended."""

from domain.cases import Verdict
from domain.errors import InvalidValue
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason

# The verdict of a case whose program failed. Every other reason is a failure of the service.
_VERDICTS = {
    Reason.WALL_TIME_LIMIT: Verdict.TIME_LIMIT,
    Reason.CPU_TIME_LIMIT: Verdict.TIME_LIMIT,
    Reason.MEMORY_LIMIT: Verdict.MEMORY_LIMIT,
    Reason.OUTPUT_LIMIT: Verdict.OUTPUT_LIMIT,
    Reason.NONZERO_EXIT: Verdict.RUNTIME_ERROR,
    Reason.SIGNAL: Verdict.RUNTIME_ERROR,
    Reason.PROCESS_LIMIT: Verdict.RUNTIME_ERROR,
}


def verdict_without_check(result: ExecutionResult) -> Verdict | None:
    """Return the verdict on a program that failed; None if its output has to be checked.

    Raises:
        InvalidValue: The service failed, not the program, so there is no verdict.
    """
    if result.status is JobStatus.SUCCESS:
        return None
    verdict = None if result.reason is None else _VERDICTS.get(result.reason)
    if verdict is None:
        raise InvalidValue("reason", f"{result.reason} is no verdict on a program")
    return verdict


def is_verdict(result: ExecutionResult) -> bool:
    """Whether a result is the program's own: the service did not fail, and nothing was cancelled."""
    return result.status is JobStatus.SUCCESS or result.reason in _VERDICTS
