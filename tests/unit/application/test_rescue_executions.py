from domain.execution import MAX_CLAIMS
from domain.job_lifecycle import JobStatus, Reason
from tests.support.scripted_engine import take_over


def lose_worker(world, *, after_the_start: bool) -> None:
    execution = world.claim()
    if after_the_start:
        world.unit_of_work.run(
            lambda transaction: transaction.executions.acknowledge(execution.id, "worker-1")
        )
    world.clock.advance(31)
    world.rescue_executions()


def test_a_program_that_may_have_had_effects_is_not_run_again(world):
    job = world.start()

    lose_worker(world, after_the_start=True)

    failed = world.job(job.job_id)
    assert (failed.status, failed.reason) == (JobStatus.FAILED, Reason.WORKER_LOST)
    assert failed.execution.result.error_message.startswith("The worker that ran the program was lost")


def test_a_job_that_allows_it_is_run_again(world):
    job = world.start(max_attempts=2)

    lose_worker(world, after_the_start=True)
    assert world.run_execution() is True

    ended = world.get_job(job.job_id)
    assert ended.job.status is JobStatus.SUCCESS
    assert [execution.number for execution in ended.executions] == [1, 2]


def test_what_kills_its_worker_before_the_start_is_tried_so_often_and_no_more(world):
    job = world.start()

    for _ in range(MAX_CLAIMS):
        assert world.job(job.job_id).status is JobStatus.RUNNING
        lose_worker(world, after_the_start=False)

    assert world.job(job.job_id).reason is Reason.WORKER_LOST
    assert len(world.get_job(job.job_id).executions) == MAX_CLAIMS


def test_a_lease_that_is_renewed_is_not_rescued(world):
    job = world.start()
    execution = world.claim()

    for _ in range(5):
        world.clock.advance(20)
        with world.held.hold(execution.id, job.job_id):
            world.renew_leases()
        world.rescue_executions()

    assert world.job(job.job_id).execution.id == execution.id
    assert world.engine.cancelled == []


def test_an_engine_that_never_reports_has_run_out_of_time(world):
    world.engine.program = take_over
    job = world.start(limits={"timeout_ms": 1_000})
    world.run_execution()

    world.clock.advance(30)
    world.rescue_executions()
    assert world.job(job.job_id).status is JobStatus.RUNNING

    world.clock.advance(2)
    world.rescue_executions()
    ended = world.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.TIMEOUT, Reason.WALL_TIME_LIMIT)


def test_a_cancelled_job_stays_cancelled_when_its_worker_is_lost(world):
    job = world.start()
    world.claim()
    world.cancel_job(job.job_id)

    world.clock.advance(31)
    world.rescue_executions()

    assert world.job(job.job_id).status is JobStatus.CANCELLED


def test_what_has_waited_for_long_is_announced_again(world):
    job = world.start()
    world.publisher.published.clear()

    world.rescue_executions()
    assert world.publisher.published == []

    world.clock.advance(3)
    world.rescue_executions()
    (hint,) = world.publisher.published
    assert (hint.name, hint.body["job_id"]) == ("ExecutionRequested", str(job.job_id))


def test_the_queue_is_filled_with_hints_and_not_beyond(world):
    for _ in range(3):
        world.start()
    world.clock.advance(3)
    world.rescue_executions._max_hints = 2

    world.rescue_executions()
    world.rescue_executions()

    assert [hint.name for hint in world.publisher.published] == ["ExecutionRequested"] * 2


def test_an_engine_that_never_reports_is_not_asked_again_whatever_the_job_allows(world):
    world.engine.program = take_over
    job = world.start(limits={"timeout_ms": 1_000}, max_attempts=3)
    world.run_execution()

    world.clock.advance(32)
    world.rescue_executions()

    assert world.job(job.job_id).status is JobStatus.TIMEOUT
    assert len(world.get_job(job.job_id).executions) == 1


def test_a_start_that_is_recorded_while_the_rescue_is_under_way_counts(world):
    # Given a worker that records its start between the rescue's look and its act
    job = world.start()
    execution = world.claim()
    world.clock.advance(31)
    read = world.unit_of_work.read

    def read_and_be_overtaken(work):
        found = read(work)
        world.unit_of_work.read = read
        world.unit_of_work.run(
            lambda transaction: transaction.executions.acknowledge(execution.id, "worker-1")
        )
        return found

    world.unit_of_work.read = read_and_be_overtaken
    world.rescue_executions()

    assert world.job(job.job_id).reason is Reason.WORKER_LOST
    assert len(world.get_job(job.job_id).executions) == 1


def test_a_renewal_leaves_alone_what_the_engine_has_taken_over(world):
    job = world.start()
    execution = world.claim()

    with world.held.hold(execution.id, job.job_id):
        world.unit_of_work.run(
            lambda transaction: transaction.executions.entrust(execution.id, "worker-1", "engine:far", 60)
        )
        world.renew_leases()

    assert world.engine.cancelled == []
