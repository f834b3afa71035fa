from dataclasses import replace

import pytest

from domain.errors import InvalidValue
from domain.execution import MAX_CLAIMS, ExecutionResult, Output
from domain.execution_lifecycle import DELEGATE_PREFIX
from domain.job_lifecycle import JobStatus, Reason
from tests.unit.domain.builders import NOON, a_running_job


@pytest.mark.parametrize("status", [JobStatus.PENDING, JobStatus.RUNNING])
def test_a_status_that_is_no_end_is_no_result(status):
    with pytest.raises(InvalidValue, match="not an outcome"):
        ExecutionResult(status=status, reason=Reason.INTERNAL)


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.TIMEOUT, JobStatus.CANCELLED])
def test_every_end_but_success_needs_a_reason(status):
    assert ExecutionResult(status=status, reason=Reason.INTERNAL).reason is Reason.INTERNAL
    with pytest.raises(InvalidValue, match="reason"):
        ExecutionResult(status=status)


def test_a_success_has_no_reason():
    assert ExecutionResult(status=JobStatus.SUCCESS).reason is None
    with pytest.raises(InvalidValue, match="reason"):
        ExecutionResult(status=JobStatus.SUCCESS, reason=Reason.NONZERO_EXIT)


def test_a_failure_of_the_engine_carries_a_reason_and_a_sentence():
    result = ExecutionResult.failed(Reason.ENGINE_ERROR, "the engine answered 500")
    assert (result.status, result.reason) == (JobStatus.FAILED, Reason.ENGINE_ERROR)
    assert result.error_message == "the engine answered 500"
    assert result.stdout == result.stderr == Output()


@pytest.mark.parametrize(("text", "size"), [("", 0), ("abc", 3), ("é한", 5), ("a\0", 2)])
def test_an_output_that_is_known_whole_counts_its_bytes(text, size):
    assert Output.of(text) == Output(text=text, total_bytes=size, truncated=False)


@pytest.mark.parametrize(
    ("number", "max_attempts", "started", "again"),
    [
        (1, 1, True, False),
        (1, 2, True, True),
        (2, 2, True, False),
        (2, 3, True, True),
        (1, 1, False, True),
        (MAX_CLAIMS - 1, 1, False, True),
        (MAX_CLAIMS, 3, False, False),
    ],
)
def test_a_program_runs_again_as_often_as_its_job_allows_and_a_claim_as_often_as_the_service(
    number, max_attempts, started, again
):
    _, execution = a_running_job()
    lost = replace(execution, number=number, started_at=NOON if started else None)
    assert lost.may_run_again(max_attempts) is again


@pytest.mark.parametrize(
    ("claimed_by", "delegated"), [(None, False), ("worker-1", False), (f"{DELEGATE_PREFIX}http", True)]
)
def test_an_execution_that_an_engine_claims_is_delegated_to_it(claimed_by, delegated):
    _, execution = a_running_job()
    assert replace(execution, claimed_by=claimed_by).is_delegated is delegated
