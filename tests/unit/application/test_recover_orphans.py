import pytest

from application.errors import DependencyUnavailable
from application.ports.output_feed import OutputChunk, Stream
from domain.execution import MAX_CLAIMS
from domain.job_lifecycle import JobStatus, Reason
from tests.support.callers import ANONYMOUS
from tests.support.failing import Failing
from tests.support.in_memory_service import LEASE_S, RENEW_EVERY_S
from tests.support.scripted_engine import take_over


def lose_worker(service, *, after_the_start: bool) -> None:
    execution = service.claim()
    if after_the_start:
        service.unit_of_work.run(
            lambda transaction: transaction.executions.mark_started(execution.id, "worker-1")
        )
    service.pass_time(31)


def test_a_program_that_may_have_had_effects_is_not_run_again(service):
    job = service.start()

    lose_worker(service, after_the_start=True)

    failed = service.job(job.job_id)
    assert (failed.status, failed.reason) == (JobStatus.FAILED, Reason.WORKER_LOST)
    assert failed.execution.result.error_message.startswith("The worker that ran the program was lost")


def test_a_job_that_allows_it_is_run_again(service):
    job = service.start(max_attempts=2)

    lose_worker(service, after_the_start=True)
    assert service.run_execution() is True

    ended = service.job_reader.get(ANONYMOUS, job.job_id)
    assert ended.job.status is JobStatus.SUCCESS
    assert [execution.number for execution in ended.executions] == [1, 2]


def test_what_kills_its_worker_before_the_start_is_tried_so_often_and_no_more(service):
    job = service.start()

    for _ in range(MAX_CLAIMS):
        assert service.job(job.job_id).status is JobStatus.RUNNING
        lose_worker(service, after_the_start=False)

    assert service.job(job.job_id).reason is Reason.WORKER_LOST
    assert len(service.job_reader.get(ANONYMOUS, job.job_id).executions) == MAX_CLAIMS


def test_a_lease_that_is_renewed_is_not_recovered(service):
    job = service.start()
    execution = service.claim()

    for _ in range(5):
        service.pass_time(20)
        with service.in_flight.track(execution.id, job.job_id):
            assert service.renew_leases() == {}

    assert service.job(job.job_id).execution.id == execution.id


def test_an_engine_that_never_reports_has_run_out_of_time(service):
    service.engine.program = take_over
    job = service.start(limits={"timeout_ms": 1_000})
    service.run_execution()

    service.pass_time(30)
    assert service.job(job.job_id).status is JobStatus.RUNNING

    service.pass_time(2)
    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.TIMEOUT, Reason.WALL_TIME_LIMIT)


@pytest.mark.parametrize(("retry_on", "told"), [((), "cancelled"), ((Reason.WALL_TIME_LIMIT,), "detached")])
def test_an_engine_that_never_reported_is_told_to_stop_what_has_ended(service, retry_on, told):
    service.engine.program = take_over
    job = service.start(limits={"timeout_ms": 1_000}, max_attempts=2, retry_on=retry_on)
    service.run_execution()
    first = service.job(job.job_id).execution.id
    recover = service.recover_orphans
    service.recover_orphans = lambda: recover(service.stop_execution)

    service.pass_time(32)

    expected = {"cancelled": [], "detached": []} | {told: [first]}
    assert {"cancelled": service.engine.cancelled, "detached": service.engine.detached} == expected


def test_a_program_that_cannot_be_stopped_does_not_keep_others_from_their_recovery(service):
    service.engine.program = take_over
    jobs = [service.start(limits={"timeout_ms": 1_000}) for _ in range(2)]
    for _ in jobs:
        service.run_execution()
    recover = service.recover_orphans
    service.recover_orphans = lambda: recover(Failing(RuntimeError("can't start new thread")).stop)

    service.pass_time(32)

    assert [service.job(job.job_id).status for job in jobs] == [JobStatus.TIMEOUT] * 2


def test_an_execution_whose_worker_is_lost_is_not_stopped_at_its_engine(service):
    service.start()
    service.claim()
    recover = service.recover_orphans
    service.recover_orphans = lambda: recover(service.stop_execution)

    service.pass_time(31)

    assert service.engine.cancelled == service.engine.detached == []


def test_a_cancelled_job_stays_cancelled_when_its_worker_is_lost(service):
    job = service.start()
    service.claim()
    service.cancel_job(ANONYMOUS, job.job_id)

    service.pass_time(31)

    assert service.job(job.job_id).status is JobStatus.CANCELLED


def test_workers_are_woken_again_for_what_has_waited_for_long(service):
    service.start()

    service.recover_orphans()
    assert service.work_queue.wake_ups == 0

    service.clock.advance(3)
    service.recover_orphans()
    assert service.work_queue.wake_ups == 1


def test_the_queue_is_filled_with_wake_ups_and_not_beyond(service):
    for _ in range(3):
        service.start()
    service.clock.advance(3)
    recover_orphans = service.process("worker-0", max_wake_ups=2).recover_orphans

    recover_orphans()
    recover_orphans()

    assert service.work_queue.wake_ups == 2


def test_an_engine_that_never_reports_is_not_asked_again_whatever_the_job_allows(service):
    service.engine.program = take_over
    job = service.start(limits={"timeout_ms": 1_000}, max_attempts=3)
    service.run_execution()

    service.pass_time(32)

    assert service.job(job.job_id).status is JobStatus.TIMEOUT
    assert len(service.job_reader.get(ANONYMOUS, job.job_id).executions) == 1


def test_a_start_that_is_recorded_while_the_recovery_is_under_way_counts(service):
    # Given a worker that records its start between the recovery's look and its act
    job = service.start()
    execution = service.claim()
    service.pass_time(30)
    service.clock.advance(1)
    run = service.unit_of_work.run

    def run_and_be_overtaken(work):
        found = run(work)
        service.unit_of_work.run = run
        run(lambda transaction: transaction.executions.mark_started(execution.id, "worker-1"))
        return found

    service.unit_of_work.run = run_and_be_overtaken
    service.recover_orphans()

    assert service.job(job.job_id).reason is Reason.WORKER_LOST
    assert len(service.job_reader.get(ANONYMOUS, job.job_id).executions) == 1


def test_a_renewal_leaves_alone_what_the_engine_has_taken_over(service):
    job = service.start()
    execution = service.claim()

    with service.in_flight.track(execution.id, job.job_id):
        service.unit_of_work.run(
            lambda transaction: transaction.executions.delegate(execution.id, "worker-1", "engine:far", 60)
        )
        for lost in service.renew_leases().items():
            service.stop_execution(*lost)

    assert service.engine.cancelled == service.engine.detached == []


def break_down(service, seconds: float) -> None:
    """Block writes to the database for so long."""
    run = service.unit_of_work.run
    service.unit_of_work.run = Failing(DependencyUnavailable("database", "it is read-only")).run
    for _ in range(round(seconds)):
        service.clock.advance(1)
        with pytest.raises(DependencyUnavailable):
            service.recover_orphans()
    service.unit_of_work.run = run


def renew_elsewhere(service, execution) -> bool:
    """Renew the lease of another process's execution; return whether that still has it."""

    def work(transaction):
        return transaction.executions.renew("worker-2", [execution.id], LEASE_S)

    return service.unit_of_work.run(work) == {execution.id}


def test_what_no_worker_could_renew_while_the_database_took_no_writes_is_not_lost(service, caplog):
    # Given a program that another process runs while the database takes no writes for longer than its lease
    job = service.start()
    execution = service.claim("worker-2")
    service.pass_time(30)
    assert renew_elsewhere(service, execution)
    break_down(service, 60)
    # When the sweeps are sooner back at work than its worker
    service.pass_time(19)
    assert renew_elsewhere(service, execution)
    service.pass_time(29)

    # Then it goes on
    assert service.job(job.job_id).execution.id == execution.id
    assert "lost its worker" not in caplog.text


def test_what_this_process_runs_is_alive_whatever_has_kept_it_from_renewing_its_lease(service, caplog):
    # Given a process whose renewals are stuck, and whose sweeps are not
    service.recover_orphans = service.services.recover_orphans
    job = service.start()
    execution = service.claim("worker-1")
    with service.in_flight.track(execution.id, job.job_id):
        service.pass_time(20)
        service.clock.advance(3_600)
        service.pass_time(120)

    assert service.job(job.job_id).execution.id == execution.id
    assert "lost its worker" not in caplog.text


def test_a_worker_that_renews_at_the_last_moment_has_not_been_lost_and_nobody_says_so(service, caplog):
    job = service.start()
    execution = service.claim("worker-2")
    service.pass_time(30)
    service.clock.advance(1)
    run = service.unit_of_work.run

    def run_and_be_overtaken(work):
        found = run(work)
        service.unit_of_work.run = run
        assert renew_elsewhere(service, execution)
        return found

    service.unit_of_work.run = run_and_be_overtaken

    assert service.recover_orphans() == 0
    assert service.job(job.job_id).execution.id == execution.id
    assert "lost its worker" not in caplog.text


def test_a_clock_that_is_set_back_delays_no_recovery(service):
    # Given a worker that is lost, and leases that run out in ten minutes by the clock as it was set then
    job = service.start()
    service.claim("worker-2")
    service.pass_time(20)
    service.clock.set(-600)

    service.pass_time(40)

    assert service.job(job.job_id).execution.number == 2


def test_a_clock_that_is_set_back_before_a_service_starts_delays_no_recovery(service):
    job = service.start()
    service.claim("worker-2")
    service.clock.set(-600)

    service.pass_time(21)

    assert service.job(job.job_id).execution.number == 2


def test_a_clock_that_is_set_forward_loses_nothing_that_is_alive(service, caplog):
    # Given a program that another process runs, whose lease has run out because the clock was set
    job = service.start()
    execution = service.claim("worker-2")
    service.pass_time(25)
    assert renew_elsewhere(service, execution)
    service.clock.set(600)
    # When its worker renews as it always does
    for _ in range(6):
        service.pass_time(10)
        assert renew_elsewhere(service, execution)

    assert service.job(job.job_id).execution.id == execution.id
    assert "lost its worker" not in caplog.text


def test_workers_are_woken_for_what_waits_when_the_clock_has_been_set_back(service):
    service.start()
    service.clock.set(-600)

    service.recover_orphans()

    assert service.work_queue.wake_ups == 1


def test_what_was_lost_while_the_database_was_away_is_recovered_some_time_after_its_return(service):
    job = service.start()
    service.claim()
    service.pass_time(10)
    break_down(service, 60)

    service.pass_time(21)

    assert service.job(job.job_id).execution.number == 2


def test_a_machine_that_slept_gives_its_workers_the_time_to_renew(service):
    job = service.start()
    execution = service.claim()
    service.pass_time(10)

    service.clock.advance(3_600)
    service.pass_time(19)

    assert service.job(job.job_id).execution.id == execution.id


def test_a_service_that_has_just_started_waits_before_it_takes_anything_for_lost(service):
    job = service.start()
    service.claim()
    service.clock.advance(31)

    service.pass_time(20)
    assert service.job(job.job_id).execution.number == 1

    service.pass_time(1)
    assert service.job(job.job_id).execution.number == 2


def test_one_execution_that_cannot_be_recovered_does_not_keep_the_others_from_it(service, caplog):
    jobs = [service.start() for _ in range(2)]
    for _ in jobs:
        service.claim()
    service.pass_time(30)
    run = service.unit_of_work.run

    def find_and_fail_once(work):
        def fail_once(_work):
            service.unit_of_work.run = run
            raise RuntimeError("boom")

        service.unit_of_work.run = fail_once
        return run(work)

    service.unit_of_work.run = find_and_fail_once
    service.pass_time(1)

    assert sorted(service.job(job.job_id).execution.number for job in jobs) == [1, 2]
    assert "boom" in caplog.text


def test_what_a_lost_program_had_streamed_is_its_output(service):
    job = service.start()
    execution = service.claim()
    service.unit_of_work.run(
        lambda transaction: transaction.executions.mark_started(execution.id, "worker-1")
    )
    service.output_feed.append(execution.id, OutputChunk(Stream.STDOUT, 0, b"so far"))
    service.output_feed.append(execution.id, OutputChunk(Stream.STDERR, 0, b"so good"))

    service.pass_time(LEASE_S + 2 * RENEW_EVERY_S + 5)

    ended = service.job(job.job_id)
    assert ended.reason is Reason.WORKER_LOST
    result = ended.execution.result
    assert (result.stdout.text, result.stderr.text) == ("so far", "so good")
    assert list(service.output_feed.recall(execution.id)) == []


def test_what_a_replaced_program_had_streamed_is_kept_with_its_attempt(service):
    job = service.start(max_attempts=2)
    execution = service.claim()
    service.output_feed.append(execution.id, OutputChunk(Stream.STDOUT, 0, b"so far"))

    service.pass_time(LEASE_S + 2 * RENEW_EVERY_S + 5)

    first, second = service.job_reader.get(ANONYMOUS, job.job_id).executions
    assert (first.result.stdout.text, first.result.reason) == ("so far", Reason.WORKER_LOST)
    assert second.result is None
    assert service.job(job.job_id).status is JobStatus.RUNNING
