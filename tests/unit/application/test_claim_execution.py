import threading
from concurrent.futures import ThreadPoolExecutor

from tests.support.processes import eventually


def test_threads_that_want_work_at_once_claim_it_in_one_transaction(service):
    # Given work, a thread that is in the midst of its claim, and others that come meanwhile
    claim_execution = service.claim_execution
    run, runs, may_go_on = service.unit_of_work.run, [], threading.Event()

    def slow_run(work, *options):
        runs.append(work)
        may_go_on.wait(90)
        return run(work, *options)

    jobs = [service.start() for _ in range(5)]
    service.unit_of_work.run = slow_run
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(claim_execution)
        assert eventually(lambda: runs)
        rest = [pool.submit(claim_execution) for _ in range(5)]
        assert eventually(lambda: claim_execution.batcher.waiting == 5)
        # When they go on
        may_go_on.set()
        claims = [one.result() for one in (first, *rest)]
    # Then each has one that no other has, with its job, and one has none
    assert len(runs) == 2
    assert claims.count(None) == 1
    executions = {claim.execution.job_id: claim.job.id for claim in filter(None, claims)}
    assert executions == {job.job_id: job.job_id for job in jobs}


def test_an_execution_whose_job_is_gone_keeps_no_other_from_being_claimed(service, caplog):
    jobs = [service.start() for _ in range(3)]
    gone = service.job(jobs[0].job_id).execution.id
    del service.database.tables.jobs[jobs[0].job_id]

    claims = service.claim_execution.claim_next(3)

    assert [claim.job.id for claim in claims] == [job.job_id for job in jobs[1:]]
    assert f"{gone} ended because its job no longer exists" in caplog.text
    assert service.claim_execution() is None
