"""Jobs that are run again for the reasons of `retry_on`."""

import pytest

from application.errors import DependencyUnavailable
from application.ports.execution_engine import EngineReport
from application.queries.timeline import Awaited, Step
from domain.audit import Act
from domain.errors import InvalidValue
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from tests.support.callers import ANONYMOUS
from tests.support.scripted_engine import take_over

FLAKY = {"max_attempts": 3, "retry_on": (Reason.NONZERO_EXIT,)}


def ends(*reasons: Reason | None):
    """Return programs that end so, one after the other."""
    left = list(reasons)

    def run(_request, observer):
        observer.started()
        reason = left.pop(0)
        if reason is None:
            return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))
        return EngineReport(ExecutionResult(status=JobStatus.FAILED, reason=reason, exit_code=7))

    return run


def entry_acts(service):
    return [entry.act for entry in service.database.tables.audit_journal.values()]


def attempts(service, job):
    return service.job_reader.get(ANONYMOUS, job.job_id).executions


def test_a_job_that_fails_for_such_a_reason_is_run_again_after_delays_that_double(service):
    service.engine.program = ends(Reason.NONZERO_EXIT, Reason.NONZERO_EXIT, None)
    job = service.start(**FLAKY)

    for delay_s in (1, 2):
        service.run_execution()
        assert service.job(job.job_id).status is JobStatus.RUNNING
        assert service.run_execution() is False
        service.clock.advance(delay_s - 0.1)
        assert service.release_delayed() == 0
        service.clock.advance(0.2)
        assert service.release_delayed() == 1
    service.run_execution()

    ended = attempts(service, job)
    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert [execution.number for execution in ended] == [1, 2, 3]
    assert [execution.result.status for execution in ended] == ["FAILED", "FAILED", "SUCCESS"]
    assert entry_acts(service).count(Act.JOB_END) == 3
    assert service.announced().count("JobCompleted") == 1


def test_the_last_attempt_ends_the_job(service):
    service.engine.program = ends(*[Reason.NONZERO_EXIT] * 3)
    job = service.start(**FLAKY)
    for _ in range(3):
        service.run_execution()
        service.clock.advance(5)
        service.release_delayed()

    assert (service.job(job.job_id).status, service.job(job.job_id).reason) == ("FAILED", "nonzero_exit")
    assert len(attempts(service, job)) == 3


def test_another_reason_ends_the_job(service):
    service.engine.program = ends(Reason.SIGNAL)
    job = service.start(**FLAKY)

    service.run_execution()

    assert service.job(job.job_id).reason is Reason.SIGNAL
    assert len(attempts(service, job)) == 1


def test_workers_are_woken_when_the_delay_is_over(service):
    service.engine.program = ends(Reason.NONZERO_EXIT)
    service.start(**FLAKY)
    service.run_execution()
    service.relay_outbox(service.relay.offered)
    woken = service.work_queue.wake_ups

    service.clock.advance(2)
    service.release_delayed()

    assert service.work_queue.wake_ups == woken + 1
    assert woken == 1


def test_a_job_is_cancelled_while_it_waits_for_its_next_attempt(service):
    service.engine.program = ends(Reason.NONZERO_EXIT)
    job = service.start(**FLAKY)
    service.run_execution()

    service.cancel_job(ANONYMOUS, job.job_id)

    service.clock.advance(5)
    assert service.release_delayed() == 0
    assert service.job(job.job_id).status is JobStatus.CANCELLED
    assert service.run_execution() is False


def test_an_engine_that_never_reports_is_asked_again_if_the_job_is_retried_for_its_time(service):
    service.engine.program = take_over
    job = service.start(
        limits={"timeout_ms": 1_000}, max_attempts=2, retry_on=(Reason.WALL_TIME_LIMIT,), stdin="in"
    )
    service.run_execution()
    service.pass_time(32)

    first, second = attempts(service, job)
    assert (first.result.status, first.result.reason) == (JobStatus.TIMEOUT, Reason.WALL_TIME_LIMIT)
    assert (second.number, service.job(job.job_id).status) == (2, JobStatus.RUNNING)
    assert service.run_execution() is False
    service.clock.advance(1.1)
    assert service.release_delayed() == 1
    service.run_execution()
    service.pass_time(32)
    assert service.job(job.job_id).status is JobStatus.TIMEOUT
    assert len(attempts(service, job)) == 2
    assert entry_acts(service).count(Act.JOB_END) == 2


def test_the_timeline_shows_each_attempt_and_the_wait(service):
    service.engine.program = ends(Reason.NONZERO_EXIT)
    job = service.start(**FLAKY)
    service.run_execution()

    timeline = service.job_reader.timeline(ANONYMOUS, job.job_id)

    assert timeline.waiting.awaited is Awaited.RETRY
    assert timeline.waiting.until > service.clock.now()
    assert [(entry.step, entry.attempt) for entry in timeline.entries] == [
        (Step.SUBMITTED, 0),
        (Step.QUEUED, 1),
        (Step.CLAIMED, 1),
        (Step.STARTED, 1),
        (Step.RETRIED, 1),
        (Step.QUEUED, 2),
    ]
    retried = timeline.entries[4]
    assert (retried.reason, str(retried.detail)) == (Reason.NONZERO_EXIT, "Exited with code 7")


def test_a_result_that_comes_twice_is_followed_by_one_attempt(service):
    service.engine.program = ends(Reason.NONZERO_EXIT)
    job = service.start(**FLAKY)
    service.run_execution()
    (first, _second) = attempts(service, job)

    assert service.complete_execution(first.id, first.result) is False

    assert len(attempts(service, job)) == 2


def test_a_database_that_is_away_delays_the_release(service, monkeypatch):
    def refuse(_work):
        raise DependencyUnavailable("database", "it is away")

    monkeypatch.setattr(service.unit_of_work, "read", refuse)

    with pytest.raises(DependencyUnavailable):
        service.release_delayed()


def test_more_attempts_than_the_setting_allows_are_refused(service):
    with pytest.raises(InvalidValue, match="from 1 to 3"):
        service.upload(max_attempts=4)
