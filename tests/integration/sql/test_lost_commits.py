"""Each use case does its work once, and returns the same, whichever way its commit is lost."""

import json
import time
from collections import Counter
from collections.abc import Callable

import pymysql
import pytest
import sqlalchemy as sa

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
from tests.support.callers import ANONYMOUS
from tests.support.databases import migrated_schema
from tests.support.in_memory_service import LEASE_S, InMemoryService
from tests.support.stores import PATIENT, empty

SUCCESS = ExecutionResult(status=JobStatus.SUCCESS, exit_code=0)


class LostCommits:
    """Commits of an engine that break its connection, before they are done or after.

    Attributes:
        is_away: Whether the database takes no further transaction.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self.is_away = False
        self._to_come: list[tuple[bool, Callable[[], None]]] = []
        self._do_commit = engine.dialect.do_commit
        engine.dialect.do_commit = self._commit
        sa.event.listen(engine, "begin", self._refuse_if_away)

    def lose(self, *, is_done: bool, then: Callable[[], None] = lambda: None) -> None:
        """Have one more of the commits to come lost: its answer alone, or all of it.

        Args:
            is_done: Whether the commit is done.
            then: Called before it is missed.
        """
        self._to_come.append((is_done, then))

    def go_away(self) -> None:
        """Refuse every further transaction."""
        self.is_away = True

    def _commit(self, connection) -> None:
        if not self._to_come:
            self._do_commit(connection)
            return
        is_done, then = self._to_come.pop(0)
        if is_done:
            self._do_commit(connection)
        then()
        raise _connection_lost()

    def _refuse_if_away(self, _connection) -> None:
        if self.is_away:
            raise _connection_lost()


def _connection_lost() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("COMMIT", None, pymysql.err.OperationalError(2013, "Lost connection"))


class BrokenService(InMemoryService):
    """The use cases on a database of which a test loses commits."""

    def __init__(self, url, is_done):
        self.database_engine = create_engine(url, PATIENT)
        self.lost = LostCommits(self.database_engine)
        self._is_done = is_done
        super().__init__(
            lambda relay: (
                SqlUnitOfWork(self.database_engine, relay),
                SqlJobQueries(self.database_engine),
            )
        )

    def lose_commit(self, **options):
        self.lost.lose(is_done=self._is_done, **options)

    def count(self, name):
        return Counter(self.announced())[name]

    def close(self):
        self.database_engine.dispose()


@pytest.fixture(scope="module")
def url(mariadb):
    return migrated_schema(mariadb, "integration")


@pytest.fixture(params=[True, False], ids=["the answer", "the commit"])
def service(request, url):
    service = BrokenService(url, is_done=request.param)
    empty(service.database_engine)
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


def losing_the_next_commit(service, program):
    """Return a program after whose end a commit is lost."""

    def run(request, observer):
        report = program(request, observer)
        service.lose_commit()
        return report

    return run


def test_an_upload(service):
    service.lose_commit()

    job = service.upload(execute=True)

    assert service.job(job.job_id) == job
    assert service.code_store.objects
    assert [service.count(name) for name in ("JobSubmitted", "JobStarted")] == [1, 1]
    assert len(service.job_reader.get(ANONYMOUS, job.job_id).executions) == 1


def test_an_upload_to_a_project_that_is_archived_before_the_answer_is_looked_for(service, url):
    service.create_project(ANONYMOUS, "demo", None)
    other = BrokenService(url, is_done=True)
    other.ids.skip(1_000)
    service.lost.lose(
        is_done=True, then=lambda: other.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE)
    )
    job = service.upload(project="demo")

    assert service.job(job.job_id).status is JobStatus.PENDING
    assert other.project_reader.all(ANONYMOUS)[0].status is ProjectStatus.ARCHIVED
    assert service.code_store.objects
    other.close()


def test_an_execute(service):
    job_id = service.upload().job_id
    service.lose_commit()

    running = service.execute_job(ANONYMOUS, job_id)

    assert service.job(job_id) == running
    assert service.count("JobStarted") == 1
    assert len(service.job_reader.get(ANONYMOUS, job_id).executions) == 1


def test_a_cancel(service):
    job_id = service.start().job_id
    service.claim()
    service.clock.set(-600)
    service.lose_commit()

    assert service.cancel_job(ANONYMOUS, job_id).status is JobStatus.CANCELLED
    assert service.count("JobCancelled") == 1


def test_a_change_of_a_project(service):
    service.create_project(ANONYMOUS, "demo", None)
    service.lose_commit()

    assert service.change_project(ANONYMOUS, "demo", ProjectTrigger.ARCHIVE).status is ProjectStatus.ARCHIVED


@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize("times", [1, 2])
def test_claims(service, limit, times):
    jobs = [service.start() for _ in range(limit + 1)]
    for _ in range(times):
        service.lose_commit()

    claims = service.claim_execution.claim_next(limit)

    assert [claim.job.id for claim in claims] == [job.job_id for job in jobs[:limit]]
    assert [service.job(claim.job.id).execution for claim in claims] == [claim.execution for claim in claims]
    assert service.claim().job_id == jobs[limit].job_id


def test_a_claim_whose_outcome_is_looked_up_until_the_database_is_back(service):
    jobs = [service.start() for _ in range(2)]
    claim = service.unit_of_work.run

    def claim_and_break(work, outcome_retry):
        def work_and_break(transaction):
            service.lost.is_away = not waits
            return work(transaction)

        service.unit_of_work.run = claim
        return claim(work_and_break, RetryPolicy(outcome_retry.delays_s, sleep=come_back))

    def come_back(seconds):
        waits.append(seconds)
        service.lost.is_away = False
        time.sleep(1.1)  # until the circuit closes

    waits = []
    service.lose_commit()
    service.unit_of_work.run = claim_and_break
    service.run_execution()

    assert [service.job(job.job_id).status for job in jobs] == [JobStatus.SUCCESS, JobStatus.RUNNING]
    assert service.job(jobs[1].job_id).execution.claimed_at is None
    assert waits


def test_a_start(service):
    def program(_request, observer):
        service.lose_commit()
        observer.started()
        return EngineReport(SUCCESS)

    service.engine.program = program
    job = service.start()
    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert service.job(job.job_id).execution.started_at is not None
    assert service.engine.detached == []


def test_a_completion(service):
    job_id = service.start().job_id
    execution = service.claim()
    service.lose_commit()

    assert service.complete_execution(execution.id, SUCCESS) is True
    assert service.job(job_id).status is JobStatus.SUCCESS
    assert service.count("JobCompleted") == 1


def test_a_completion_by_the_worker_that_ran_the_program(service):
    service.engine.program = losing_the_next_commit(service, service.engine.program)
    job = service.start()
    service.run_execution()

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert service.count("JobCompleted") == 1


def test_a_report(service):
    service.engine.program = take_over
    job_id = service.start().job_id
    service.run_execution()
    report = json.dumps({"job_id": str(job_id), "stdout": "hi", "exit_code": 0}).encode()
    service.lose_commit()

    assert service.report_completion(service.job(job_id).execution.id, report, MessageKey("runner", "1"))

    assert service.job(job_id).status is JobStatus.SUCCESS
    assert service.count("JobCompleted") == 1


def test_a_deferral(service):
    service.engine.is_quick = True
    service.engine.program = losing_the_next_commit(service, away)
    job = service.start()
    service.run_execution()

    waits = service.job(job.job_id)
    assert (waits.status, waits.phase) == (JobStatus.RUNNING, Phase.WAITING)
    assert waits.execution.claimed_at is None


def test_a_replacement(service):
    service.engine.program = losing_the_next_commit(service, lost)
    job = service.start(max_attempts=3)
    service.run_execution()

    assert [execution.number for execution in service.job_reader.get(ANONYMOUS, job.job_id).executions] == [
        1,
        2,
    ]
    assert service.job(job.job_id).status is JobStatus.RUNNING
    assert service.count("JobRetried") == 1


def test_a_delegation(service):
    service.engine.program = losing_the_next_commit(service, take_over)
    job = service.start()
    service.run_execution()

    assert service.engine.cancelled == service.engine.detached == []
    assert service.job(job.job_id).execution.is_delegated


def test_a_recovery(service):
    job = service.start(max_attempts=2)
    execution = service.unit_of_work.run(
        lambda transaction: transaction.executions.claim_next("worker-9", -LEASE_S)
    )[0]
    service.lose_commit()

    assert service.expire_execution(execution) is True
    assert [execution.number for execution in service.job_reader.get(ANONYMOUS, job.job_id).executions] == [
        1,
        2,
    ]
    assert service.count("JobRetried") == 1


def test_what_waited_for_too_long_for_its_engine(service):
    job = service.start()
    service.engine.paused = frozenset({"python"})
    read = service.unit_of_work.read

    def read_and_lose_the_next_commit(work):
        found = read(work)
        service.lose_commit()
        return found

    service.unit_of_work.read = read_and_lose_the_next_commit

    assert service.process("worker-1", engine_wait_s=0).follow_outages() == 1
    service.unit_of_work.read = read
    assert service.job(job.job_id).reason is Reason.ENGINE_UNAVAILABLE
    assert service.count("JobCompleted") == 1


def test_an_upload_of_which_nothing_is_known_keeps_its_code(service):
    service.lose_commit(then=service.lost.go_away)
    with pytest.raises(CommitOutcomeUnknown):
        service.upload()

    assert service.code_store.objects
