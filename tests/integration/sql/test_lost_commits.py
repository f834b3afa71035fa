"""Each use case does its work once, and returns the same, whichever way its commit is lost."""

import json
import time
from collections import Counter

import pytest

from adapters.sql.engine import create_engine
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.unit_of_work import SqlUnitOfWork
from application.errors import CommitOutcomeUnknown
from application.ports.execution_engine import EngineReport
from application.retry_policy import RetryPolicy
from application.use_cases.complete_execution import MessageKey
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Phase, Reason
from domain.project import ProjectStatus, ProjectTrigger
from tests.support.in_memory_service import LEASE_S, InMemoryService
from tests.support.lost_commits import LostCommits

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)


class BrokenService(InMemoryService):
    """The use cases on a SQLite file of which a test loses commits."""

    def __init__(self, url, is_done):
        self._database_engine = create_engine(url)
        self.lost = LostCommits(self._database_engine)
        self._is_done = is_done
        super().__init__(
            lambda relay: (
                SqlUnitOfWork(self._database_engine, relay),
                SqlJobQueries(self._database_engine),
            )
        )

    def lose_commit(self):
        self.lost.lose(is_done=self._is_done)

    def count(self, name):
        return Counter(self.announced())[name]

    def close(self):
        self._database_engine.dispose()


@pytest.fixture(params=[True, False], ids=["the answer", "the commit"])
def world(request, sqlite_url):
    service = BrokenService(sqlite_url, is_done=request.param)
    yield service
    service.close()


def take_over(_request, observer):
    observer.started()


def away(_request, observer):
    observer.start_failed()
    return EngineReport(
        ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, "The engine could not be reached."),
        is_startable=True,
    )


def lost(_request, observer):
    observer.started()
    return EngineReport(
        ExecutionResult.failed(Reason.ENGINE_ERROR, "The engine lost the program."), is_lost=True
    )


def losing_the_next_commit(world, program):
    """Return a program after whose end a commit is lost."""

    def run(request, observer):
        report = program(request, observer)
        world.lose_commit()
        return report

    return run


def test_an_upload(world):
    world.lose_commit()

    job = world.upload(execute=True)

    assert world.job(job.job_id) == job
    assert world.code_store.objects
    assert [world.count(name) for name in ("JobSubmitted", "JobStarted")] == [1, 1]
    assert len(world.get_job(job.job_id).executions) == 1


def test_an_upload_to_a_project_that_is_archived_before_the_answer_is_looked_for(world):
    commit_once = world.unit_of_work._retrier

    def archive_between(attempt):
        def archive_after_the_first():
            try:
                return attempt()
            except Exception:
                world.unit_of_work._retrier = commit_once
                world.change_project("demo", ProjectTrigger.ARCHIVE)
                raise

        return commit_once(archive_after_the_first)

    world.create_project("demo", None)
    world.unit_of_work._retrier = archive_between
    world.lost.lose(is_done=True)
    job = world.upload(project="demo")

    assert world.job(job.job_id).status is JobStatus.PENDING
    assert world.code_store.objects


def test_an_execute(world):
    job_id = world.upload().job_id
    world.lose_commit()

    running = world.execute_job(job_id)

    assert world.job(job_id) == running
    assert world.count("JobStarted") == 1
    assert len(world.get_job(job_id).executions) == 1


def test_a_cancel(world):
    job_id = world.start().job_id
    world.claim()
    world.clock.set(-600)
    world.lose_commit()

    assert world.cancel_job(job_id).status is JobStatus.CANCELLED
    assert world.count("JobCancelled") == 1


def test_a_change_of_a_project(world):
    world.create_project("demo", None)
    world.lose_commit()

    assert world.change_project("demo", ProjectTrigger.ARCHIVE).status is ProjectStatus.ARCHIVED


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("times", [1, 2])
def test_claims(world, limit, times):
    jobs = [world.start() for _ in range(limit + 1)]
    for _ in range(times):
        world.lose_commit()

    claims = world.claim_execution._claim_next(limit)

    assert [claim.job.id for claim in claims] == [job.job_id for job in jobs[:limit]]
    assert [world.job(claim.job.id).execution for claim in claims] == [claim.execution for claim in claims]
    assert world.claim().job_id == jobs[limit].job_id


def test_a_claim_whose_outcome_is_looked_up_until_the_database_is_back(world):
    jobs = [world.start() for _ in range(2)]
    claim = world.unit_of_work.run

    def claim_and_break(work, outcome_retry):
        def work_and_break(transaction):
            world.lost.is_away = not waits
            return work(transaction)

        world.unit_of_work.run = claim
        return claim(work_and_break, RetryPolicy(outcome_retry.delays_s, sleep=come_back))

    def come_back(seconds):
        waits.append(seconds)
        world.lost.is_away = False
        time.sleep(1.1)  # until the circuit closes

    waits = []
    world.lose_commit()
    world.unit_of_work.run = claim_and_break
    world.run_execution()

    assert [world.job(job.job_id).status for job in jobs] == [JobStatus.SUCCESS, JobStatus.RUNNING]
    assert world.job(jobs[1].job_id).execution.claimed_at is None
    assert waits


def test_a_start(world):
    def program(_request, observer):
        world.lose_commit()
        observer.started()
        return EngineReport(SUCCESS)

    world.engine.program = program
    job = world.start()
    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert world.job(job.job_id).execution.started_at is not None
    assert world.engine.detached == []


def test_a_completion(world):
    job_id = world.start().job_id
    execution = world.claim()
    world.lose_commit()

    assert world.complete_execution(execution.id, SUCCESS) is True
    assert world.job(job_id).status is JobStatus.SUCCESS
    assert world.count("JobCompleted") == 1


def test_a_completion_by_the_worker_that_ran_the_program(world):
    world.engine.program = losing_the_next_commit(world, world.engine.program)
    job = world.start()
    world.run_execution()

    assert world.job(job.job_id).status is JobStatus.SUCCESS
    assert world.count("JobCompleted") == 1


def test_a_report(world):
    world.engine.program = take_over
    job_id = world.start().job_id
    world.run_execution()
    report = json.dumps({"job_id": str(job_id), "stdout": "hi", "exit_code": 0}).encode()
    world.lose_commit()

    assert world.report_completion(world.job(job_id).execution.id, report, MessageKey("runner", "1"))

    assert world.job(job_id).status is JobStatus.SUCCESS
    assert world.count("JobCompleted") == 1


def test_a_deferral(world):
    world.engine.is_quick = True
    world.engine.program = losing_the_next_commit(world, away)
    job = world.start()
    world.run_execution()

    waits = world.job(job.job_id)
    assert (waits.status, waits.phase) == (JobStatus.RUNNING, Phase.WAITING)
    assert waits.execution.claimed_at is None


def test_a_replacement(world):
    world.engine.program = losing_the_next_commit(world, lost)
    job = world.start(max_attempts=3)
    world.run_execution()

    assert [execution.number for execution in world.get_job(job.job_id).executions] == [1, 2]
    assert world.job(job.job_id).status is JobStatus.RUNNING
    assert world.count("JobRetried") == 1


def test_a_delegation(world):
    world.engine.program = losing_the_next_commit(world, take_over)
    job = world.start()
    world.run_execution()

    assert world.engine.cancelled == world.engine.detached == []
    assert world.job(job.job_id).execution.is_delegated


def test_a_recovery(world):
    job = world.start(max_attempts=2)
    execution = world.unit_of_work.run(
        lambda transaction: transaction.executions.claim_next("worker-9", -LEASE_S)
    )[0]
    world.lose_commit()

    assert world.recover_orphans.recover(execution) is True
    assert [execution.number for execution in world.get_job(job.job_id).executions] == [1, 2]
    assert world.count("JobRetried") == 1


def test_what_waited_for_too_long_for_its_engine(world):
    job = world.start()
    world.engine.paused = frozenset({"python"})
    world.lose_commit()

    assert world.follow_outages._give_up(world.job(job.job_id).execution.id, job.job_id) is True
    assert world.job(job.job_id).reason is Reason.ENGINE_UNAVAILABLE
    assert world.count("JobCompleted") == 1


def test_an_upload_of_which_nothing_is_known_keeps_its_code(world):
    world.lose_commit()
    add = world.outbox_writer.add

    def add_and_break(transaction, events):
        add(transaction, events)
        world.lost.is_away = True

    world.outbox_writer.add = add_and_break
    with pytest.raises(CommitOutcomeUnknown):
        world.upload()

    assert world.code_store.objects
