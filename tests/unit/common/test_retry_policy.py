from itertools import islice

import pytest

from application.errors import DependencyUnavailable
from application.retry_policy import RetryPolicy


def test_waits_double_up_to_the_longest_and_are_jittered_by_half():
    policy = RetryPolicy.exponential(1, 3, retries=4, jitter=0.5)
    delays = [list(policy.delays()) for _ in range(50)]

    for waits in delays:
        for wait, longest in zip(waits, (1, 2, 3, 3), strict=True):
            assert longest / 2 <= wait <= longest
    assert len({waits[0] for waits in delays}) > 1


def test_one_try_waits_for_nothing():
    assert list(RetryPolicy().delays()) == []
    assert list(RetryPolicy.exponential(1, 3, retries=0).delays()) == []


def test_an_endless_policy_repeats_its_longest_delay():
    assert list(islice(RetryPolicy.exponential(1, 3).delays(), 5)) == [1, 2, 3, 3, 3]


def test_an_action_is_tried_after_each_delay_until_its_dependency_is_back(caplog):
    slept, errors = [], [DependencyUnavailable("database", "it is away")] * 2

    def action():
        if errors:
            raise errors.pop()
        return "done"

    assert RetryPolicy((0.5, 2, 3), sleep=slept.append)(action) == "done"
    assert slept == [0.5, 2]
    assert "retrying in 2.0 s" in caplog.text


def test_the_failure_of_the_last_attempt_is_raised():
    slept = []

    def action():
        raise DependencyUnavailable("database", "it is away")

    with pytest.raises(DependencyUnavailable):
        RetryPolicy((1, 1), sleep=slept.append)(action)
    assert slept == [1, 1]
