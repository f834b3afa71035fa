"""The start of a program: with its claim, at its engine's report, or never."""

import pytest

from application.errors import DependencyUnavailable
from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from tests.support.failing import Failing
from tests.support.scripted_engine import cancelled_report


def test_a_job_cancelled_between_claim_and_start_is_stopped(world):
    def program(request, observer):
        world.cancel_job(request.job_id)
        observer.started()
        return cancelled_report()

    world.engine.program = program
    job = world.start()
    world.run_execution()

    assert world.engine.detached == [world.engine.requests[0].execution_id]
    assert world.job(job.job_id).status is JobStatus.CANCELLED


def test_an_engine_that_starts_at_once_has_its_start_recorded_with_the_claim(world):
    world.engine.is_quick = True
    seen = []

    def program(request, observer):
        seen.append(world.job(request.job_id).execution.started_at)
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = program
    job = world.start()
    world.run_execution()

    execution = world.job(job.job_id).execution
    assert seen == [execution.claimed_at] == [execution.started_at]
    assert world.announced().count("ExecutionStarted") == 1


@pytest.mark.parametrize(("slept_s", "is_let_go"), [(0.9, False), (1.0, True)])
def test_a_worker_that_slept_since_its_claim_asks_whether_it_still_stands(world, slept_s, is_let_go):
    world.engine.is_quick = True

    def program(request, observer):
        world.cancel_job(request.job_id)
        world.clock.advance(slept_s)
        observer.started()
        return cancelled_report()

    world.engine.program = program
    job = world.start()
    world.run_execution()

    assert bool(world.engine.detached) is is_let_go
    assert world.announced().count("ExecutionStarted") == (not is_let_go)
    assert world.job(job.job_id).status is JobStatus.CANCELLED


def test_a_program_that_does_not_start_at_once_after_all_has_its_own_time(world):
    world.engine.is_quick = True
    seen = []

    def program(request, observer):
        for tell in (observer.start_failed, observer.start_failed, observer.started):
            world.clock.advance(1)
            tell()
            seen.append(world.job(request.job_id).execution.started_at)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = program
    job = world.start()
    world.run_execution()

    execution = world.job(job.job_id).execution
    assert seen[:2] == [None, None]
    assert execution.claimed_at < execution.started_at == seen[2]


def test_a_program_that_passes_for_started_because_the_database_was_away_runs_all_the_same(world, caplog):
    world.engine.is_quick = True

    def program(_request, observer):
        run = world.unit_of_work.run
        world.unit_of_work.run = Failing(DependencyUnavailable("database", "restarting")).run
        observer.start_failed()
        world.unit_of_work.run = run
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS))

    world.engine.program = program
    job = world.start()
    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert "passes for started" in caplog.text


def test_a_start_that_cannot_be_recorded_at_once_is_recorded_later(world):
    outages = [DependencyUnavailable("database", "restarting")]
    run = world.unit_of_work.run

    def run_or_fail(work, *options):
        if world.engine.requests and outages:
            raise outages.pop()
        return run(work, *options)

    world.unit_of_work.run = run_or_fail
    job = world.start()
    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert world.job(job.job_id).execution.started_at is not None
