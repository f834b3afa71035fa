"""Executions that cannot be started wait: neither the job nor its attempts are used up."""

from itertools import pairwise

import pytest

from application.ports.execution_engine import EngineReport
from application.queries.timeline import Awaited
from application.queries.wait_causes import WaitCause
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus, Phase, Reason
from tests.support.callers import ANONYMOUS
from tests.support.in_memory_service import WAIT_S
from tests.support.scripted_engine import echo

AWAY = "The engine could not be reached."


def away(_request, observer):
    observer.start_failed()
    return EngineReport(ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, AWAY), is_startable=True)


def full(_request, observer):
    observer.started()
    return EngineReport(ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, AWAY), is_startable=True)


def refused(_request, observer):
    observer.start_failed()
    failure = ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, AWAY)
    return EngineReport(failure, is_startable=True, is_refused=True)


@pytest.fixture(params=[away, full])
def outage(request, service):
    service.engine.program = request.param
    service.engine.is_quick = True
    return service


def test_what_could_not_be_started_waits_and_runs_later_as_the_same_attempt(outage):
    job = outage.start(stdin="hello", max_attempts=1)

    for _ in range(5):
        assert outage.run_execution() is True
        outage.clock.advance(1)

    waits = outage.job(job.job_id)
    assert (waits.status, waits.phase, waits.execution.started_at) == (JobStatus.RUNNING, Phase.WAITING, None)
    assert waits.execution.deferred_since is not None

    outage.engine.program = echo
    outage.run_execution()

    details = outage.job_reader.get(ANONYMOUS, job.job_id)
    assert details.job.status is JobStatus.SUCCESS
    assert [execution.number for execution in details.executions] == [1]


def test_what_waits_for_its_engine_for_too_long_has_failed(outage):
    job = outage.start()
    outage.run_execution()
    outage.clock.advance(WAIT_S - 1)
    outage.run_execution()
    assert outage.job(job.job_id).status is JobStatus.RUNNING

    outage.clock.advance(2)
    outage.run_execution()

    ended = outage.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.ENGINE_UNAVAILABLE)
    assert ended.execution.result.error_message == AWAY
    assert ended.execution.started_at is None  # so nothing is said of what it used


def test_a_job_that_is_cancelled_while_its_engine_is_asked_stays_cancelled(outage):
    program = outage.engine.program

    def cancelled(request, observer):
        outage.cancel_job(ANONYMOUS, request.job_id)
        return program(request, observer)

    outage.engine.program = cancelled
    job = outage.start()
    outage.run_execution()

    assert outage.job(job.job_id).status is JobStatus.CANCELLED
    assert outage.run_execution() is False


def test_a_job_that_its_engine_always_refuses_does_not_hold_back_others_of_its_language(service):
    def refuses_one(request, observer):
        return (refused if request.job_id == oldest.job_id else echo)(request, observer)

    service.engine.program = refuses_one
    oldest = service.start()
    others = [service.start() for _ in range(3)]

    for _ in range(1 + len(others)):
        assert service.run_execution()

    assert {service.job(other.job_id).status for other in others} == {JobStatus.SUCCESS}
    assert service.run_execution() is False
    timeline = service.job_reader.timeline(ANONYMOUS, oldest.job_id)
    (execution,) = service.job_reader.get(ANONYMOUS, oldest.job_id).executions
    assert (timeline.waiting.awaited, timeline.waiting.since) == (Awaited.ENGINE, execution.deferred_since)
    assert timeline.waiting.wait.cause is not WaitCause.RETRY


def test_a_job_that_its_engine_refuses_is_tried_less_and_less_often_until_its_time_is_over(service):
    def refuses(request, observer):
        asked.append(service.clock.now())
        return refused(request, observer)

    asked = []
    service.engine.program = refuses
    job = service.start()

    while service.job(job.job_id).status is JobStatus.RUNNING:
        service.release_delayed()
        if not service.run_execution():
            service.clock.advance(0.125)

    gaps = [(after - before).total_seconds() for before, after in pairwise(asked)]
    # The service in memory has a first delay of one second, and a longest of three.
    assert gaps[:2] == sorted(gaps[:2])
    assert 1 <= gaps[0] < 1.5
    assert all(3 <= gap < 3.5 for gap in gaps[3:])
    assert WAIT_S <= sum(gaps) <= WAIT_S + 3.5
    assert service.job(job.job_id).reason is Reason.ENGINE_UNAVAILABLE


def test_only_the_language_whose_engine_is_away_waits(service):
    python, node = service.start(language="python"), service.start(language="node")
    service.engine.paused = frozenset({"python"})

    assert [service.run_execution() for _ in range(2)] == [True, False]

    assert service.job(node.job_id).status is JobStatus.SUCCESS
    assert service.job(python.job_id).phase is Phase.WAITING
    service.engine.paused = frozenset()
    assert service.run_execution()
    assert service.job(python.job_id).status is JobStatus.SUCCESS


def test_nothing_is_announced_that_could_not_be_started(service):
    service.start(language="python")
    node = service.start(language="node")
    service.engine.paused = frozenset({"python"})
    service.clock.advance(10)

    service.recover_orphans()

    assert service.work_queue.wake_ups == 1
    assert service.run_execution()
    assert service.job(node.job_id).status is JobStatus.SUCCESS


def test_what_was_never_claimed_says_since_when_its_engine_is_away_and_is_given_up_in_time(service):
    job, other = service.start(language="python"), service.start(language="node")
    service.engine.paused = frozenset({"python"})

    assert service.follow_outages() == 0
    began = service.clock.now()
    service.clock.advance(WAIT_S - 1)
    assert service.follow_outages() == 0
    assert service.job(job.job_id).execution.deferred_since == began

    service.clock.advance(1)
    assert service.follow_outages() == 1

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.ENGINE_UNAVAILABLE)
    assert service.announced()[-1] == "JobCompleted"
    assert service.run_execution()
    assert service.job(other.job_id).status is JobStatus.SUCCESS


def test_nothing_is_given_up_whose_engine_is_reached(service):
    job = service.start()
    service.engine.paused = frozenset({"python"})
    service.follow_outages()
    service.clock.advance(2 * WAIT_S)
    service.engine.paused = frozenset()

    assert service.follow_outages() == 0

    assert service.run_execution()
    assert service.job(job.job_id).status is JobStatus.SUCCESS


def test_a_standalone_runner_tries_until_its_engine_is_back(service):
    tries = []

    def twice(request, observer):
        tries.append(request)
        return away(request, observer) if len(tries) < 3 else echo(request, observer)

    service.engine.program = twice
    job = service.start()

    service.run_standalone(service.job(job.job_id).execution.id, service.clock.sleep)

    assert service.job(job.job_id).status is JobStatus.SUCCESS
    assert len(tries) == 3


def test_a_standalone_runner_whose_process_stops_tries_no_more(service):
    service.engine.program = away
    job = service.start()

    service.run_standalone(service.job(job.job_id).execution.id, lambda _seconds: True)

    assert len(service.engine.requests) == 1
    assert service.job(job.job_id).execution.claimed_at is None


def lacking(service, *queues):
    """Make this worker one without these runtimes, as it finds out with the first job that needs one."""

    def program(request, observer):
        cause = service.engine.lacks(request.spec)
        if cause is None:
            return echo(request, observer)
        service.engine.paused |= {request.spec.queue}
        failure = ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, cause)
        return EngineReport(failure, is_startable=True)

    service.engine.lacking = frozenset(queues)
    service.engine.program = program


def another_worker_serves(service, *queues):
    service.unit_of_work.run(lambda transaction: transaction.heartbeats.beat("another", queues))


def test_a_job_whose_runtime_is_elsewhere_is_left_to_the_worker_that_has_it_however_long_that_takes(service):
    lacking(service, "java")
    job, other = service.start(language="java"), service.start(language="python")
    another_worker_serves(service, "java", "python")
    woken = service.work_queue.wake_ups

    assert [service.run_execution() for _ in range(3)] == [True, True, False]
    assert service.work_queue.wake_ups == woken + 1
    for _ in range(10):
        service.clock.advance(WAIT_S)
        another_worker_serves(service, "java", "python")
        assert service.follow_outages() == 0

    waits = service.job(job.job_id)
    assert (waits.status, waits.phase) == (JobStatus.RUNNING, Phase.WAITING)
    assert waits.execution.deferred_since is None
    assert service.job(other.job_id).status is JobStatus.SUCCESS

    lacking(service)
    service.engine.paused = frozenset()
    assert service.run_execution()
    assert service.job(job.job_id).status is JobStatus.SUCCESS


def test_a_job_whose_runtime_no_worker_has_any_more_fails_after_the_usual_time(service):
    lacking(service, "java")
    job = service.start(language="java")
    another_worker_serves(service, "java")
    service.run_execution()

    service.clock.advance(WAIT_S)
    assert service.follow_outages() == 0  # the other one is gone: it waits from now on
    service.clock.advance(WAIT_S - 1)
    assert service.follow_outages() == 0
    service.clock.advance(1)
    assert service.follow_outages() == 1

    ended = service.job(job.job_id)
    assert (ended.status, ended.reason) == (JobStatus.FAILED, Reason.ENGINE_UNAVAILABLE)


@pytest.mark.parametrize(("retry_on", "ends"), [((Reason.ENGINE_UNAVAILABLE,), 2), ((Reason.SIGNAL,), 1)])
def test_a_job_that_is_given_up_is_run_again_if_it_asks_for_that(service, retry_on, ends):
    job = service.start(max_attempts=2, retry_on=retry_on)
    service.engine.paused = frozenset({"python"})

    for _ in range(ends):
        assert service.job(job.job_id).status is JobStatus.RUNNING
        service.clock.advance(120)
        service.release_delayed()
        service.follow_outages()
        service.clock.advance(WAIT_S)
        assert service.follow_outages() == 1

    details = service.job_reader.get(ANONYMOUS, job.job_id)
    assert (details.job.status, details.job.reason) == (JobStatus.FAILED, Reason.ENGINE_UNAVAILABLE)
    assert [execution.number for execution in details.executions] == [1, 2][:ends]
    assert all(one.result.reason is Reason.ENGINE_UNAVAILABLE for one in details.executions)
