import pytest

from domain.errors import JobTransitionRefused
from domain.job_lifecycle import JobStatus, Reason
from tests.support.scripted_engine import take_over


def test_a_pending_job_never_starts(world):
    job = world.upload()

    cancelled = world.cancel_job(job.job_id)

    assert (cancelled.status, cancelled.reason) == (JobStatus.CANCELLED, Reason.CANCELLED)
    with pytest.raises(JobTransitionRefused):
        world.execute_job(job.job_id)


def test_a_job_that_waits_for_a_worker_is_not_run(world):
    job = world.start()

    world.cancel_job(job.job_id)

    assert world.run_execution() is False
    assert world.announced()[-1] == "JobCancelled"


def test_a_job_that_has_ended_is_refused(world):
    job = world.start()
    world.run_execution()

    with pytest.raises(JobTransitionRefused, match="cannot cancel a job that is SUCCESS"):
        world.cancel_job(job.job_id)


def test_cancelling_twice_is_refused_the_second_time(world):
    job = world.upload()
    world.cancel_job(job.job_id)
    world.clock.advance(1)

    with pytest.raises(JobTransitionRefused):
        world.cancel_job(job.job_id)


def test_only_the_process_that_runs_the_program_stops_it(world):
    job = world.start()
    execution = world.claim()
    world.cancel_job(job.job_id)

    world.stop_execution(execution.id, job.job_id)
    assert world.engine.cancelled == []

    with world.in_flight.track(execution.id, job.job_id):
        world.stop_execution(execution.id, job.job_id)
    assert world.engine.cancelled == [execution.id]


def test_a_cancel_that_no_message_told_of_is_noticed_at_the_next_renewal(world):
    job = world.start()
    execution = world.claim()
    world.cancel_job(job.job_id)

    with world.in_flight.track(execution.id, job.job_id):
        assert world.renew_leases() == {execution.id: job.job_id}
        world.stop_execution(execution.id, job.job_id)

    assert world.engine.cancelled == [execution.id]


def test_an_engine_that_was_delegated_with_a_program_is_told_to_stop_it(world):
    world.engine.program = take_over
    job = world.start()
    world.run_execution()
    execution_id = world.engine.requests[0].execution_id
    world.cancel_job(job.job_id)

    world.stop_execution(execution_id, job.job_id)

    assert world.engine.cancelled == [execution_id]
