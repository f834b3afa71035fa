"""The start of a program: with its claim, at its engine's report, or never."""

import pytest

from application.errors import DependencyUnavailable
from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from tests.support.callers import ANONYMOUS
from tests.support.failing import Failing
from tests.support.scripted_engine import cancelled_report


def test_a_job_cancelled_between_claim_and_start_is_stopped(service):
    def program(request, observer):
        service.cancel_job(ANONYMOUS, request.job_id)
        observer.started()
        return cancelled_report()

    service.engine.program = program
    job = service.start()
    service.run_execution()

    assert service.engine.detached == [service.engine.requests[0].execution_id]
    assert service.job(job.job_id).status is JobStatus.CANCELLED


def test_an_engine_that_starts_at_once_has_its_start_recorded_with_the_claim(service):
    service.engine.is_quick = True
    seen = []

    def program(request, observer):
        seen.append(service.job(request.job_id).execution.started_at)
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = program
    job = service.start()
    service.run_execution()

    execution = service.job(job.job_id).execution
    assert seen == [execution.claimed_at] == [execution.started_at]
    assert service.announced().count("ExecutionStarted") == 1


@pytest.mark.parametrize(("slept_s", "is_let_go"), [(0.9, False), (1.0, True)])
def test_a_worker_that_slept_since_its_claim_asks_whether_it_still_stands(service, slept_s, is_let_go):
    service.engine.is_quick = True

    def program(request, observer):
        service.cancel_job(ANONYMOUS, request.job_id)
        service.clock.advance(slept_s)
        observer.started()
        return cancelled_report()

    service.engine.program = program
    job = service.start()
    service.run_execution()

    assert bool(service.engine.detached) is is_let_go
    assert service.announced().count("ExecutionStarted") == (not is_let_go)
    assert service.job(job.job_id).status is JobStatus.CANCELLED


def test_a_program_that_does_not_start_at_once_after_all_has_its_own_time(service):
    service.engine.is_quick = True
    seen = []

    def program(request, observer):
        for tell in (observer.start_failed, observer.start_failed, observer.started):
            service.clock.advance(1)
            tell()
            seen.append(service.job(request.job_id).execution.started_at)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = program
    job = service.start()
    service.run_execution()

    execution = service.job(job.job_id).execution
    assert seen[:2] == [None, None]
    assert execution.claimed_at < execution.started_at == seen[2]


def test_a_program_that_passes_for_started_because_the_database_was_away_runs_all_the_same(service, caplog):
    service.engine.is_quick = True

    def program(_request, observer):
        run = service.unit_of_work.run
        service.unit_of_work.run = Failing(DependencyUnavailable("database", "restarting")).run
        observer.start_failed()
        service.unit_of_work.run = run
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    service.engine.program = program
    job = service.start()
    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert "is still recorded as started" in caplog.text


def test_a_start_that_cannot_be_recorded_at_once_is_recorded_later(service):
    outages = [DependencyUnavailable("database", "restarting")]
    run = service.unit_of_work.run

    def run_or_fail(work, *options):
        if service.engine.requests and outages:
            raise outages.pop()
        return run(work, *options)

    service.unit_of_work.run = run_or_fail
    job = service.start()
    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert service.job(job.job_id).execution.started_at is not None
