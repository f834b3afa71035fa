import pytest

from domain.errors import InvalidValue
from domain.job_lifecycle import Reason
from domain.retrying import RETRYABLE, Backoff
from domain.submission import JobOptions

NEVER = {Reason.CANCELLED, Reason.COMPILE_ERROR, Reason.SECRETS_UNAVAILABLE, Reason.WORKER_LOST}


@pytest.mark.parametrize("reason", RETRYABLE)
def test_a_job_may_be_run_again_for_these_reasons(reason):
    assert JobOptions(max_attempts=2, retry_on=(reason,)).retry_on == (reason,)


@pytest.mark.parametrize("reason", sorted(NEVER))
def test_a_job_is_not_run_again_for_these(reason):
    with pytest.raises(InvalidValue, match="retry_on: has reasons of "):
        JobOptions(max_attempts=2, retry_on=(reason,))


def test_a_job_of_one_attempt_has_none_to_retry():
    with pytest.raises(InvalidValue, match="needs 'max_attempts' of 2 or more"):
        JobOptions(retry_on=(Reason.SIGNAL,))


@pytest.mark.parametrize(
    ("attempt", "delay_s"), [(1, 0), (2, 0.5), (3, 1), (4, 2), (5, 4), (6, 5), (7, 5), (10**9, 5)]
)
def test_the_delay_doubles_up_to_the_longest(attempt, delay_s):
    assert Backoff(first_s=0.5, longest_s=5).before(attempt) == delay_s
