"""Times of a job and its executions are in order with any clocks: hosts' differ, and any may be set."""

import pytest

from application.ports.execution_engine import EngineReport
from application.use_cases.recover_orphans import StabilityWindow
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from tests.support.scripted_engine import take_over

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS)
STEPS = ("execute", "claim", "build", "start", "end")


def assert_in_order(world, job_id):
    details = world.get_job(job_id)
    job, executions = details.job, details.executions
    times = [job.created_at, job.started_at]
    for execution in executions:
        times += [
            execution.requested_at,
            execution.claimed_at,
            execution.building_at,
            execution.started_at,
            execution.ended_at,
        ]
    times += [job.completed_at]
    known = [time for time in times if time is not None]
    assert known == sorted(known)
    assert job.completed_at is not None
    assert job.updated_at == job.completed_at


@pytest.mark.parametrize("by_s", [-600, -0.001, 600])
@pytest.mark.parametrize("step", STEPS)
def test_times_are_in_order_when_the_clock_is_set_before_any_step(world, step, by_s):
    def reach(reached):
        world.clock.advance(1)
        if reached == step:
            world.clock.set(by_s)

    def program(_request, observer):
        reach("build")
        observer.building()
        reach("start")
        observer.started()
        reach("end")
        return EngineReport(SUCCESS)

    world.engine.program = program
    job_id = world.upload().job_id
    reach("execute")
    world.execute_job(job_id)
    reach("claim")
    world.run_execution()

    assert world.job(job_id).status is JobStatus.SUCCESS
    assert_in_order(world, job_id)


def test_a_start_that_a_claim_records_is_not_before_its_request(world):
    world.engine.is_quick = True
    world.engine.program = lambda _request, _observer: EngineReport(SUCCESS)
    job_id = world.start().job_id
    world.clock.set(-600)

    world.run_execution()

    assert_in_order(world, job_id)


def test_a_cancelled_job_ends_no_sooner_than_its_program_started(world):
    def program(request, observer):
        world.clock.set(600)
        observer.started()
        world.clock.set(-600)
        world.cancel_job(request.job_id)
        return EngineReport(SUCCESS)

    world.engine.program = program
    job_id = world.start().job_id
    world.run_execution()

    assert world.job(job_id).status is JobStatus.CANCELLED
    assert_in_order(world, job_id)


def test_a_recovery_is_no_sooner_than_the_start_of_what_was_lost(world):
    job_id = world.start().job_id
    execution = world.claim()
    world.clock.set(30)
    world.unit_of_work.run(lambda transaction: transaction.executions.mark_started(execution.id, "worker-1"))
    world.clock.set(-630)

    world.pass_time(60)

    assert world.job(job_id).status is JobStatus.FAILED
    assert_in_order(world, job_id)


def test_what_an_engine_reports_is_no_sooner_than_its_start(world):
    world.engine.program = take_over
    world.engine.is_quick = True
    job_id = world.start().job_id
    world.run_execution()
    world.clock.set(-600)

    world.complete_execution(world.job(job_id).execution.id, SUCCESS)

    assert_in_order(world, job_id)


@pytest.mark.parametrize(
    ("late_s", "is_even"),
    [(0, True), (4, True), (-4, True), (6, False), (-6, False)],
)
def test_a_window_begins_anew_when_the_databases_clock_was_set(world, late_s, is_even):
    window = StabilityWindow(world.clock, 20)
    window.succeeded(world.clock.monotonic(), world.clock.now())
    world.clock.advance(10)
    world.clock.set(late_s)
    window.succeeded(world.clock.monotonic(), world.clock.now())
    world.clock.advance(10)

    assert window.succeeded(world.clock.monotonic(), world.clock.now()) is is_even


def test_a_write_that_took_long_is_no_sign_of_a_clock_that_was_set(world):
    window = StabilityWindow(world.clock, 20)
    for _ in range(2):
        asked, database_time = world.clock.monotonic(), world.clock.now()
        world.clock.advance(10)
        is_stable = window.succeeded(asked, database_time)
    assert not is_stable
    asked = world.clock.monotonic()
    world.clock.advance(10)

    assert window.succeeded(asked, world.clock.now())
