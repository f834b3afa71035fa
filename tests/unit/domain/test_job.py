from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from domain.errors import JobTransitionRefused
from domain.events import (
    JobCancelled,
    JobCompleted,
    JobRetried,
    JobStarted,
    JobSubmitted,
)
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from tests.unit.domain.builders import (
    CANCELLED,
    FAILURE,
    FIRST,
    JOB_ID,
    LATER,
    NOON,
    PROJECT,
    PROJECT_ID,
    SECOND,
    SUCCESS,
    THIRD,
    TIMEOUT,
    a_job_that_is,
    a_pending_job,
    a_running_job,
    a_spec,
)

OUTCOMES = [SUCCESS, FAILURE, TIMEOUT]
TERMINAL = [status for status in JobStatus if status.is_terminal]


def test_a_submitted_job_is_pending_and_says_so():
    job, events = Job.submit(JOB_ID, PROJECT, a_spec(), NOON)

    assert (job.status, job.reason, job.current_execution_id) == (JobStatus.PENDING, None, None)
    assert (job.created_at, job.updated_at, job.started_at, job.completed_at) == (NOON, NOON, None, None)
    assert events == (
        JobSubmitted(job_id=JOB_ID, project_id=PROJECT_ID, occurred_at=NOON, language="python"),
    )


def test_a_started_job_is_running_its_first_execution():
    job, execution, events = a_pending_job(priority=8).start(FIRST, "input", LATER)

    assert (job.status, job.current_execution_id) == (JobStatus.RUNNING, FIRST)
    assert (job.started_at, job.updated_at, job.created_at) == (LATER, LATER, NOON)
    assert (execution.id, execution.job_id, execution.number) == (FIRST, JOB_ID, 1)
    assert (execution.stdin, execution.priority, execution.requested_at) == ("input", 8, LATER)
    assert events == (JobStarted(job_id=JOB_ID, execution_id=FIRST, occurred_at=LATER),)


@pytest.mark.parametrize("status", [status for status in JobStatus if status is not JobStatus.PENDING])
def test_a_job_is_started_once(status):
    with pytest.raises(JobTransitionRefused, match="cannot execute"):
        a_job_that_is(status).start(SECOND, None, LATER)


@pytest.mark.parametrize("result", OUTCOMES, ids=str)
def test_a_result_of_the_current_execution_ends_the_job(result):
    job, _ = a_running_job()

    ended, events = job.complete(FIRST, result, LATER)

    assert (ended.status, ended.reason, ended.completed_at) == (result.status, result.reason, LATER)
    assert ended.started_at == NOON
    assert events == (
        JobCompleted(
            job_id=JOB_ID,
            execution_id=FIRST,
            status=result.status,
            reason=result.reason,
            occurred_at=LATER,
            language="python",
        ),
    )


@pytest.mark.parametrize("result", OUTCOMES, ids=str)
def test_a_result_of_another_execution_changes_nothing(result):
    job, _ = a_running_job()
    assert job.complete(SECOND, result, LATER) == (job, ())


@pytest.mark.parametrize(("status", "result"), list(product(TERMINAL, OUTCOMES)))
def test_a_result_for_a_job_that_has_ended_changes_nothing(status, result):
    ended = a_job_that_is(status)
    assert ended.complete(FIRST, result, LATER) == (ended, ())


@pytest.mark.parametrize("result", OUTCOMES, ids=str)
def test_a_result_for_a_job_that_never_ran_is_refused(result):
    with pytest.raises(JobTransitionRefused):
        a_pending_job().complete(FIRST, result, LATER)


@pytest.mark.parametrize("status", list(JobStatus))
def test_the_result_of_a_cancelled_execution_ends_no_job(status):
    job = a_job_that_is(status)
    assert job.complete(FIRST, CANCELLED, LATER) == (job, ())


@pytest.mark.parametrize(("status", "execution_id"), [(JobStatus.PENDING, None), (JobStatus.RUNNING, FIRST)])
def test_a_job_that_has_not_ended_can_be_cancelled(status, execution_id):
    cancelled, events = a_job_that_is(status).cancel(LATER)

    assert (cancelled.status, cancelled.reason) == (JobStatus.CANCELLED, Reason.CANCELLED)
    assert cancelled.completed_at == LATER
    assert events == (
        JobCancelled(job_id=JOB_ID, execution_id=execution_id, occurred_at=LATER, language="python"),
    )


@pytest.mark.parametrize("status", TERMINAL)
def test_a_job_that_has_ended_cannot_be_cancelled(status):
    with pytest.raises(JobTransitionRefused, match="cannot cancel"):
        a_job_that_is(status).cancel(LATER)


def test_a_retry_moves_the_fence_to_a_new_execution():
    job, lost = a_running_job(priority=2)
    lost = replace(lost, stdin="input")

    retried, execution, events = job.retry(lost, SECOND, LATER)

    assert (retried.status, retried.current_execution_id) == (JobStatus.RUNNING, SECOND)
    assert retried.started_at == NOON
    assert (execution.id, execution.number) == (SECOND, 2)
    assert (execution.stdin, execution.priority) == ("input", 2)
    assert events == (
        JobRetried(job_id=JOB_ID, lost_execution_id=FIRST, execution_id=SECOND, occurred_at=LATER),
    )
    assert retried.complete(FIRST, SUCCESS, LATER) == (retried, ())


def test_each_execution_is_requested_after_the_one_that_it_replaces_whatever_the_clock_says():
    job, first = a_running_job()
    stopped, second, _events = job.requeue(first, SECOND, NOON - timedelta(minutes=10))
    again, third, _events = stopped.retry(second, THIRD, NOON)

    assert first.requested_at < second.requested_at < third.requested_at == again.updated_at


def test_an_execution_that_is_not_the_current_one_is_not_retried():
    job, lost = a_running_job()
    retried, _, _ = job.retry(lost, SECOND, LATER)
    assert retried.retry(lost, SECOND, LATER) == (retried, None, ())


@pytest.mark.parametrize("status", TERMINAL)
def test_a_job_that_has_ended_is_not_retried(status):
    _, lost = a_running_job()
    ended = a_job_that_is(status)
    assert ended.retry(lost, SECOND, LATER) == (ended, None, ())


def test_a_job_that_never_ran_cannot_be_retried():
    _, lost = a_running_job()
    with pytest.raises(JobTransitionRefused):
        a_pending_job().retry(lost, SECOND, LATER)


def test_no_change_is_before_the_one_before_it_whatever_the_clock_says():
    early = NOON - timedelta(minutes=10)
    pending = a_pending_job()
    running, execution, _events = pending.start(FIRST, None, early)
    cancelled, _events = running.cancel(early)
    ended, _events = running.complete(FIRST, SUCCESS, early)
    again, second, _events = running.retry(execution, SECOND, early)

    assert pending.created_at <= running.started_at == execution.requested_at
    assert running.started_at <= cancelled.completed_at == cancelled.updated_at
    assert running.started_at <= ended.completed_at == ended.updated_at
    assert running.updated_at <= again.updated_at == second.requested_at
