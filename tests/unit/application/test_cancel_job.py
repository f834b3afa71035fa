import pytest

from domain.errors import JobTransitionRefused
from domain.job_lifecycle import JobStatus, Reason
from tests.support.callers import ANONYMOUS
from tests.support.scripted_engine import take_over


def test_a_pending_job_never_starts(service):
    job = service.upload()

    cancelled = service.cancel_job(ANONYMOUS, job.job_id)

    assert (cancelled.status, cancelled.reason) == (JobStatus.CANCELLED, Reason.CANCELLED)
    with pytest.raises(JobTransitionRefused):
        service.execute_job(ANONYMOUS, job.job_id)


def test_the_answer_shows_what_a_later_read_shows(service):
    job = service.start()
    execution = service.claim()
    service.unit_of_work.run(
        lambda transaction: transaction.executions.mark_started(execution.id, "worker-1")
    )

    cancelled = service.cancel_job(ANONYMOUS, job.job_id)

    assert cancelled.run_started_at is not None
    assert cancelled == service.job(job.job_id)


def test_a_job_that_waits_for_a_worker_is_not_run(service):
    job = service.start()

    service.cancel_job(ANONYMOUS, job.job_id)

    assert service.run_execution() is False
    assert service.announced()[-1] == "JobCancelled"


def test_a_job_that_has_ended_is_refused(service):
    job = service.start()
    service.run_execution()

    with pytest.raises(JobTransitionRefused, match="cannot cancel a job that is SUCCESS"):
        service.cancel_job(ANONYMOUS, job.job_id)


def test_cancelling_twice_is_refused_the_second_time(service):
    job = service.upload()
    service.cancel_job(ANONYMOUS, job.job_id)
    service.clock.advance(1)

    with pytest.raises(JobTransitionRefused):
        service.cancel_job(ANONYMOUS, job.job_id)


def test_only_the_process_that_runs_the_program_stops_it(service):
    job = service.start()
    execution = service.claim()
    service.cancel_job(ANONYMOUS, job.job_id)

    service.stop_execution(execution.id, job.job_id)
    assert service.engine.cancelled == []

    with service.in_flight.track(execution.id, job.job_id):
        service.stop_execution(execution.id, job.job_id)
    assert service.engine.cancelled == [execution.id]


def test_a_cancel_that_no_message_told_of_is_noticed_at_the_next_renewal(service):
    job = service.start()
    execution = service.claim()
    service.cancel_job(ANONYMOUS, job.job_id)

    with service.in_flight.track(execution.id, job.job_id):
        assert service.renew_leases() == {execution.id: job.job_id}
        service.stop_execution(execution.id, job.job_id)

    assert service.engine.cancelled == [execution.id]


def test_an_engine_that_was_delegated_with_a_program_is_told_to_stop_it(service):
    service.engine.program = take_over
    job = service.start()
    service.run_execution()
    execution_id = service.engine.requests[0].execution_id
    service.cancel_job(ANONYMOUS, job.job_id)

    service.stop_execution(execution_id, job.job_id)

    assert service.engine.cancelled == [execution_id]
