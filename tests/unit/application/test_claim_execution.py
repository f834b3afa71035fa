import threading
from concurrent.futures import ThreadPoolExecutor

from tests.support.processes import eventually


def test_threads_that_want_work_at_once_claim_it_in_one_transaction(world):
    # Given work, a thread that is in the midst of its claim, and others that come meanwhile
    claim_execution = world.run_execution._claim_execution
    run, runs, may_go_on = world.unit_of_work.run, [], threading.Event()

    def slow_run(work):
        runs.append(work)
        may_go_on.wait(10)
        return run(work)

    jobs = [world.start() for _ in range(5)]
    world.unit_of_work.run = slow_run
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(claim_execution)
        assert eventually(lambda: runs)
        rest = [pool.submit(claim_execution) for _ in range(5)]
        assert eventually(lambda: len(claim_execution._next._waiting) == 5)
        # When they go on
        may_go_on.set()
        claimed = [one.result() for one in (first, *rest)]
    # Then each has one that no other has, with its job, and one has none
    assert len(runs) == 2
    assert claimed.count(None) == 1
    executions = {execution.job_id: job.id for job, execution in filter(None, claimed)}
    assert executions == {job.job_id: job.job_id for job in jobs}


def test_a_claim_whose_commit_was_not_heard_of_is_not_made_twice(world):
    jobs = [world.start() for _ in range(2)]
    world.lose_commit()

    _job, execution = world.run_execution._claim_execution()

    assert execution.job_id == jobs[0].job_id
    assert world.claim().job_id == jobs[1].job_id
