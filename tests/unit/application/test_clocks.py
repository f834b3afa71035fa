"""Times of a job and its executions are in order with any clocks: hosts' differ, and any may be set."""

import pytest

from application.ports.execution_engine import EngineReport
from application.stability_window import StabilityWindow
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from tests.support.callers import ANONYMOUS
from tests.support.scripted_engine import take_over

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS)
STEPS = ("execute", "claim", "build", "start", "end")


def assert_in_order(service, job_id):
    details = service.job_reader.get(ANONYMOUS, job_id)
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
def test_times_are_in_order_when_the_clock_is_set_before_any_step(service, step, by_s):
    def reach(reached):
        service.clock.advance(1)
        if reached == step:
            service.clock.set(by_s)

    def program(_request, observer):
        reach("build")
        observer.building()
        reach("start")
        observer.started()
        reach("end")
        return EngineReport(SUCCESS)

    service.engine.program = program
    job_id = service.upload().job_id
    reach("execute")
    service.execute_job(ANONYMOUS, job_id)
    reach("claim")
    service.run_execution()

    assert service.job(job_id).status is JobStatus.SUCCESS
    assert_in_order(service, job_id)


def test_a_start_that_a_claim_records_is_not_before_its_request(service):
    service.engine.is_quick = True
    service.engine.program = lambda _request, _observer: EngineReport(SUCCESS)
    job_id = service.start().job_id
    service.clock.set(-600)

    service.run_execution()

    assert_in_order(service, job_id)


def test_a_cancelled_job_ends_no_sooner_than_its_program_started(service):
    def program(request, observer):
        service.clock.set(600)
        observer.started()
        service.clock.set(-600)
        service.cancel_job(ANONYMOUS, request.job_id)
        return EngineReport(SUCCESS)

    service.engine.program = program
    job_id = service.start().job_id
    service.run_execution()

    assert service.job(job_id).status is JobStatus.CANCELLED
    assert_in_order(service, job_id)


def test_a_recovery_is_no_sooner_than_the_start_of_what_was_lost(service):
    job_id = service.start().job_id
    execution = service.claim()
    service.clock.set(30)
    service.unit_of_work.run(
        lambda transaction: transaction.executions.mark_started(execution.id, "worker-1")
    )
    service.clock.set(-630)

    service.pass_time(60)

    assert service.job(job_id).status is JobStatus.FAILED
    assert_in_order(service, job_id)


def test_what_an_engine_reports_is_no_sooner_than_its_start(service):
    service.engine.program = take_over
    service.engine.is_quick = True
    job_id = service.start().job_id
    service.run_execution()
    service.clock.set(-600)

    service.complete_execution(service.job(job_id).execution.id, SUCCESS)

    assert_in_order(service, job_id)


@pytest.mark.parametrize(
    ("late_s", "is_even"),
    [(0, True), (4, True), (-4, True), (6, False), (-6, False)],
)
def test_a_window_begins_anew_when_the_databases_clock_was_set(service, late_s, is_even):
    window = StabilityWindow(service.clock, 20)
    window.succeeded(service.clock.monotonic(), service.clock.now())
    service.clock.advance(10)
    service.clock.set(late_s)
    window.succeeded(service.clock.monotonic(), service.clock.now())
    service.clock.advance(10)

    assert window.succeeded(service.clock.monotonic(), service.clock.now()) is is_even


def test_a_write_that_took_long_is_no_sign_of_a_clock_that_was_set(service):
    window = StabilityWindow(service.clock, 20)
    for _ in range(2):
        asked, database_time = service.clock.monotonic(), service.clock.now()
        service.clock.advance(10)
        is_stable = window.succeeded(asked, database_time)
    assert not is_stable
    asked = service.clock.monotonic()
    service.clock.advance(10)

    assert window.succeeded(asked, service.clock.now())
