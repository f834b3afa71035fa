from datetime import timedelta
from uuid import UUID

import pytest

from application.ports.dashboard_queries import COUNTED_UP_TO, EndedJob, QueuedJob
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase, State
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.values import JobId
from tests.support.callers import a_caller, a_tenant
from tests.support.repository_steps import claim, defer, mark_building, mark_started
from tests.support.samples import (
    LATER,
    NOW,
    a_claimed_job,
    a_job,
    a_project,
    a_running_job,
    a_spec,
    cancel,
    end,
    new_execution_id,
)

HOUR = timedelta(hours=1)


def test_an_empty_project_has_no_activity(store):
    project = a_project(store)

    activity = store.dashboard.activity(project.id, [NOW - HOUR, NOW])

    assert set(activity.counts.values()) == {0}
    assert list(activity.recent) == [0]


def test_jobs_are_counted_by_state_and_by_hour(store):
    a_job(store, now=NOW - 2 * HOUR)
    a_running_job(store, now=NOW - HOUR)
    end(store, a_running_job(store, now=NOW)[0], JobStatus.FAILED)
    a_job(store, project="another", now=NOW)

    activity = store.dashboard.activity(
        a_project(store).id, [NOW - 2 * HOUR, NOW - HOUR, NOW, NOW + timedelta(seconds=1)]
    )

    assert {state: count for state, count in activity.counts.items() if count} == {
        State.PENDING: 1,
        State.QUEUED: 1,
        State.FAILED: 1,
    }
    assert list(activity.recent) == [1, 1, 1]


@pytest.mark.parametrize("store", ["memory", "sqlite"], indirect=True)
def test_counting_stops_after_the_bound(store):
    project = a_project(store)

    def work(transaction):
        for number in range(COUNTED_UP_TO + 5):
            job_id = JobId(_uuid(number))
            transaction.jobs.add(Job.submit(job_id, project, a_spec(), NOW)[0])

    store.run(work)

    assert store.dashboard.activity(project.id, []).counts[State.PENDING] == COUNTED_UP_TO + 1


def test_an_empty_queue_has_no_oldest(store):
    queue = store.dashboard.queue()

    assert (queue.waiting, queue.claimed, queue.oldest_waits_since) == (0, 0, None)


def test_the_queue_is_what_waits_and_what_is_claimed(store):
    a_claimed_job(store)
    a_running_job(store, now=LATER)
    a_running_job(store, now=NOW)

    queue = store.dashboard.queue()

    assert (queue.waiting, queue.claimed, queue.oldest_waits_since) == (2, 1, NOW)


def test_an_execution_that_its_engine_refused_still_waits(store):
    a_running_job(store, now=LATER)
    a_running_job(store, now=NOW)

    assert defer(store, claim(store), delay_s=60.0)

    queue = store.dashboard.queue()
    assert (queue.waiting, queue.claimed, queue.oldest_waits_since) == (2, 0, NOW)


def test_ahead_of_an_execution_are_the_more_urgent_and_the_older(store):
    _job, execution = a_running_job(store, now=LATER)
    a_running_job(store, now=NOW)
    a_running_job(store, now=LATER + HOUR, priority=9)
    a_running_job(store, now=NOW, priority=1)
    a_running_job(store, now=LATER + HOUR)

    assert store.dashboard.executions_ahead(DEFAULT_TENANT, execution) == 2


def test_a_place_in_the_queue_is_among_those_of_the_tenant(store):
    for name in ("acme", "beta"):
        store.run(lambda transaction, name=name: transaction.tenants.add(a_tenant(name)))
    _job, execution = a_running_job(store, caller=a_caller("beta"), now=LATER)
    a_running_job(store, caller=a_caller("acme"), now=NOW, priority=9)
    a_running_job(store, now=NOW)
    assert store.dashboard.executions_ahead(TenantName("beta"), execution) == 0

    a_running_job(store, caller=a_caller("beta"), now=NOW)

    assert store.dashboard.executions_ahead(TenantName("beta"), execution) == 1


def test_the_oldest_is_found_among_those_of_all_tenants(store):
    for number in range(5):
        name = f"tenant-{number}"
        store.run(lambda transaction, name=name: transaction.tenants.add(a_tenant(name)))
        a_running_job(store, caller=a_caller(name), now=NOW if number == 3 else LATER)
    a_running_job(store, now=LATER)

    queue = store.dashboard.queue()

    assert (queue.waiting, queue.oldest_waits_since) == (6, NOW)


def test_two_of_the_same_moment_have_different_places(store):
    _one, first = a_running_job(store)
    _two, second = a_running_job(store)

    places = {store.dashboard.executions_ahead(DEFAULT_TENANT, one) for one in (first, second)}

    assert places == {0, 1}


@pytest.mark.parametrize("store", ["memory", "sqlite"], indirect=True)
def test_the_oldest_is_found_behind_more_urgent_ones_than_are_counted(store):
    project = a_project(store)
    a_running_job(store, now=NOW)

    def work(transaction):
        for number in range(COUNTED_UP_TO + 5):
            pending, _events = Job.submit(JobId(_uuid(number)), project, a_spec(priority=9), LATER)
            job, execution, _events = pending.start(new_execution_id(), None, LATER)
            transaction.jobs.add(job)
            transaction.executions.add(job, execution)

    store.run(work)

    queue = store.dashboard.queue()
    assert (queue.waiting, queue.oldest_waits_since) == (COUNTED_UP_TO + 1, NOW)


def test_ended_jobs_are_those_that_were_run_and_ended_between_two_times(store):
    a_job(store)
    cancel(store, a_job(store))
    a_running_job(store)
    _ended(store, JobStatus.SUCCESS, made=NOW - HOUR, at=NOW)
    _ended(store, JobStatus.TIMEOUT, made=NOW, at=LATER)
    _ended(store, JobStatus.FAILED, made=NOW, at=LATER + HOUR)

    before, after = store.dashboard.ended([NOW - HOUR, LATER, LATER + HOUR], 10)

    assert [(job.status, job.requested_at, job.ended_at) for job in before] == [
        (JobStatus.SUCCESS, NOW - HOUR, NOW)
    ]
    assert list(after) == [
        EndedJob(status=JobStatus.TIMEOUT, requested_at=NOW, claimed_at=None, ended_at=LATER)
    ]


def test_an_attempt_that_was_followed_by_another_ended_no_job(store):
    job, execution = a_claimed_job(store, lease_s=0.001)
    store.pass_time(1)

    def work(transaction):
        assert transaction.executions.expire_lease(execution.id, NOW)
        lost = transaction.executions.get(execution.id)
        after, another, _events = job.retry(lost, new_execution_id(), NOW)
        transaction.jobs.replace(job, after)
        transaction.executions.add(after, another)

    store.run(work)

    assert list(map(list, store.dashboard.ended([NOW - HOUR, NOW + HOUR], 10))) == [[]]


def test_of_many_that_ended_in_a_slice_the_last_are_told(store):
    _ended(store, JobStatus.FAILED, made=NOW, at=LATER)
    _ended(store, JobStatus.SUCCESS, made=LATER, at=NOW)
    _ended(store, JobStatus.TIMEOUT, made=NOW, at=NOW - HOUR)

    early, late = store.dashboard.ended([NOW - HOUR, NOW, LATER + HOUR], 1)

    assert ([job.status for job in early], [job.status for job in late]) == (
        [JobStatus.TIMEOUT],
        [JobStatus.FAILED],
    )


def test_waiting_jobs_are_listed_in_the_order_of_claims_and_delayed_ones_after_them(store):
    a_job(store)
    later, _one = a_running_job(store, now=LATER)
    delayed, _two = a_running_job(store, delay_s=3_600)
    oldest, _three = a_running_job(store, now=NOW)
    urgent, execution = a_running_job(store, now=LATER + HOUR, priority=9)
    cancel(store, a_running_job(store, now=LATER + 2 * HOUR)[0])

    listed = store.dashboard.waiting(DEFAULT_TENANT, 10)

    assert [job.job_id for job in listed] == [urgent.id, oldest.id, later.id, delayed.id]
    assert [job.delayed_until is not None for job in listed] == [False, False, False, True]
    assert [job.job_id for job in store.dashboard.waiting(DEFAULT_TENANT, 2)] == [urgent.id, oldest.id]
    assert listed[0] == QueuedJob(
        job_id=urgent.id,
        tenant=DEFAULT_TENANT,
        project_id=urgent.project_id,
        project="demo",
        language="python",
        queue="python",
        requested_at=execution.requested_at,
    )


def test_running_jobs_are_listed_with_their_holders_and_phases(store):
    _waiting, _execution = a_running_job(store, now=LATER)
    built, building = a_running_job(store, now=NOW - HOUR)[0], claim(store, "worker-1")
    mark_building(store, building, "worker-1")
    run, running = a_running_job(store, now=NOW)[0], claim(store, "worker-2")
    mark_started(store, running, "worker-2")

    listed = {job.job_id: job for job in store.dashboard.running(DEFAULT_TENANT, 10)}

    assert {job_id: (job.phase, job.claimed_by) for job_id, job in listed.items()} == {
        built.id: (Phase.BUILDING, "worker-1"),
        run.id: (Phase.RUNNING, "worker-2"),
    }
    assert listed[run.id].since == listed[run.id].started_at
    assert len(store.dashboard.running(None, 1)) == 1
    assert store.dashboard.claimed() == 2


def test_jobs_of_other_tenants_are_listed_for_all_alone(store):
    for name in ("acme", "beta"):
        store.run(lambda transaction, name=name: transaction.tenants.add(a_tenant(name)))
    run, _one = a_running_job(store, caller=a_caller("acme"))
    claim(store)
    waits, _two = a_running_job(store, caller=a_caller("beta"))
    a_running_job(store, caller=a_caller("acme"), delay_s=3_600)

    assert set(store.dashboard.waiting_tenants()) == {TenantName("acme"), TenantName("beta")}
    assert [job.job_id for job in store.dashboard.waiting(TenantName("beta"), 10)] == [waits.id]
    assert [job.job_id for job in store.dashboard.running(None, 10)] == [run.id]
    assert store.dashboard.waiting(DEFAULT_TENANT, 10) == []
    assert store.dashboard.running(TenantName("beta"), 10) == []


def _ended(store, status, *, made, at):
    job, execution = a_running_job(store, now=made)
    end(store, job, status, at)
    store.run(lambda transaction: transaction.executions.end(execution.id, None, at))


def _uuid(number):
    return UUID(int=number + 1)
