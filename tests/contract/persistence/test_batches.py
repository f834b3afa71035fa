"""Batches of jobs in every store."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from uuid import uuid4

import pytest

from application.lists import Cursor
from domain.batch import Batch
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase
from domain.sealed_secrets import SealedSecrets
from domain.tenant import DEFAULT_TENANT
from domain.values import BatchId, JobId, ProjectId
from tests.support.callers import ANONYMOUS, a_caller
from tests.support.repository_steps import claim, mark_building, mark_started
from tests.support.samples import LATER, NOW, a_job, a_project, a_spec, cancel, end, new_execution_id

IN_A_PROJECT = replace(ANONYMOUS, project=ProjectId(9_999))


def a_batch(store, jobs=2, *, now=NOW, executed=True, project="demo", **spec) -> tuple[Batch, list[Job]]:
    """Store a batch of jobs."""
    in_project = a_project(store, project)
    batch = Batch(
        id=BatchId(uuid4()),
        tenant=DEFAULT_TENANT,
        project_id=in_project.id,
        total=jobs,
        created_at=now,
        callback_url="https://example.com/hook",
        callback_secret=SealedSecrets("k", "wrapped", "box"),
    )
    ids = sorted(JobId(uuid4()) for _ in range(jobs))
    submitted = [Job.submit(job_id, in_project, a_spec(**spec), now, batch.id)[0] for job_id in ids]
    started = [job.start(new_execution_id(), None, now)[:2] for job in submitted] if executed else []

    def work(transaction):
        transaction.batches.add(batch)
        transaction.jobs.add_all([job for job, _ in started] or submitted)
        if started:
            transaction.executions.add_all(started)

    store.run(work)
    return batch, [job for job, _ in started] or submitted


def complete(store, batch, now=LATER):
    return store.run(lambda transaction: transaction.batches.complete(batch.id, now))


def read(store, work):
    return store.unit_of_work.read(lambda transaction: work(transaction.batches))


def test_a_batch_and_its_jobs_come_back_as_they_were(store):
    batch, jobs = a_batch(store, tags={"team": "blue"}, stdin="in", args=("a",), env={"A": "é"})

    assert read(store, lambda batches: batches.get(ANONYMOUS, batch.id)) == batch
    assert read(store, lambda batches: batches.get_of_any_tenant(batch.id)) == batch
    assert read(store, lambda batches: batches.get_of_any_tenant(BatchId(uuid4()))) is None
    assert store.run(lambda t: [t.jobs.get_of_any_tenant(job.id) for job in jobs]) == jobs
    assert read(store, lambda batches: batches.jobs([batch.id])) == {
        batch.id: {job.id: JobStatus.RUNNING for job in jobs}
    }


def test_the_executions_of_a_batch_are_claimed_as_others_are(store):
    _batch, jobs = a_batch(store, priority=7)

    claimed = [claim(store), claim(store)]

    assert {execution.job_id for execution in claimed} == {job.id for job in jobs}
    assert {execution.priority for execution in claimed} == {7}
    assert claim(store) is None


def test_jobs_are_stored_once_though_they_are_added_twice(store):
    batch, jobs = a_batch(store, tags={"team": "blue"})
    started = [
        (job, store.run(lambda t, job=job: t.executions.get(job.current_execution_id))) for job in jobs
    ]
    other, _ = Job.submit(JobId(uuid4()), a_project(store), a_spec(), NOW, batch.id)

    def again(transaction):
        transaction.batches.add(batch)
        transaction.jobs.add_all([*jobs, other])
        transaction.executions.add_all(started)

    store.run(again)

    assert read(store, lambda batches: batches.counts([batch.id])) == {
        batch.id: {JobStatus.RUNNING: 2, JobStatus.PENDING: 1}
    }


def test_jobs_are_counted_by_their_status(store):
    batch, jobs = a_batch(store, 3)
    other, _ = a_batch(store, 1, executed=False)
    a_job(store)
    end(store, jobs[0], JobStatus.SUCCESS)

    assert read(store, lambda batches: batches.counts([batch.id, other.id])) == {
        batch.id: {JobStatus.RUNNING: 2, JobStatus.SUCCESS: 1},
        other.id: {JobStatus.PENDING: 1},
    }
    assert read(store, lambda batches: batches.counts([])) == {}
    assert set(read(store, lambda batches: batches.unfinished(batch.id, 10))) == {job.id for job in jobs[1:]}
    assert len(read(store, lambda batches: batches.unfinished(batch.id, 1))) == 1


@pytest.mark.parametrize("caller", [a_caller("acme"), IN_A_PROJECT])
def test_a_batch_of_others_is_not_found(store, caller):
    batch, _ = a_batch(store)

    assert read(store, lambda batches: batches.get(caller, batch.id)) is None
    assert read(store, lambda batches: batches.page(caller, 10, None)) == []


def test_a_caller_of_one_project_reaches_the_batches_in_it(store):
    batch, _ = a_batch(store)
    mixed = replace(batch, id=BatchId(uuid4()), project_id=None)
    store.run(lambda transaction: transaction.batches.add(mixed))
    caller = replace(ANONYMOUS, project=batch.project_id)

    assert read(store, lambda batches: batches.get(caller, batch.id)) == batch
    assert read(store, lambda batches: batches.get(caller, mixed.id)) is None


def test_batches_are_listed_newest_first_page_by_page(store):
    made = [a_batch(store, 1, now=NOW + timedelta(seconds=number // 2))[0] for number in range(5)]
    in_order = sorted(made, key=lambda batch: (batch.created_at, batch.id), reverse=True)

    pages, cursor = [], None
    while page := read(store, lambda batches: batches.page(ANONYMOUS, 2, cursor)):  # noqa: B023
        pages += page
        cursor = Cursor(page[-1].created_at, page[-1].id)

    assert pages == in_order


def test_a_batch_is_completed_once_all_of_its_jobs_have_ended(store):
    batch, (first, second) = a_batch(store)
    end(store, first, JobStatus.FAILED)
    assert not complete(store, batch)
    assert read(store, lambda batches: batches.overdue(10)) == []
    cancel(store, second)
    assert read(store, lambda batches: batches.overdue(10)) == [batch.id]

    assert complete(store, batch)

    assert not complete(store, batch, LATER + timedelta(seconds=1))
    assert read(store, lambda batches: batches.get(ANONYMOUS, batch.id)).completed_at == LATER
    assert read(store, lambda batches: batches.overdue(10)) == []


def test_a_batch_of_jobs_that_were_not_executed_goes_on(store):
    batch, _ = a_batch(store, executed=False)

    assert not complete(store, batch)


def test_one_of_two_transactions_at_once_completes_a_batch(store):
    batch, jobs = a_batch(store)
    for job in jobs:
        end(store, job, JobStatus.SUCCESS)
    units = [store.another() for _ in range(4)]
    together, completed = Barrier(len(units)), []

    def run(unit):
        together.wait()
        completed.append(unit.run(lambda transaction: transaction.batches.complete(batch.id, LATER)))

    threads = [Thread(target=run, args=(unit,)) for unit in units]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(completed) == [False, False, False, True]


def test_the_first_wish_to_cancel_stays_until_the_batch_is_completed(store):
    batch, (job,) = a_batch(store, 1)
    assert read(store, lambda batches: batches.being_cancelled(10)) == []

    for now in (LATER, LATER + timedelta(seconds=1)):
        store.run(lambda transaction, now=now: transaction.batches.mark_cancelled(batch.id, now))

    assert read(store, lambda batches: batches.being_cancelled(10)) == [replace(batch, cancelled_at=LATER)]
    cancel(store, job)
    complete(store, batch)
    assert read(store, lambda batches: batches.being_cancelled(10)) == []


def test_a_batch_goes_with_the_last_of_its_jobs_that_is_deleted(store):
    batch, jobs = a_batch(store)
    ended = [end(store, job, JobStatus.SUCCESS) for job in jobs]

    store.run(lambda transaction: transaction.purges.remove_job(ended[0]))
    assert read(store, lambda batches: batches.jobs([batch.id])) == {
        batch.id: {jobs[1].id: JobStatus.SUCCESS}
    }
    store.run(lambda transaction: transaction.purges.remove_job(ended[1]))

    assert read(store, lambda batches: batches.get(ANONYMOUS, batch.id)) is None


def test_jobs_of_a_batch_that_have_begun_are_counted_by_their_phase(store):
    batch, _jobs = a_batch(store, 4)
    another, _others = a_batch(store, 1)
    assert read(store, lambda batches: batches.begun([batch.id, another.id])) == {}

    for begin in (mark_started, mark_started, mark_building):
        begin(store, claim(store))

    counted = read(store, lambda batches: batches.begun([batch.id, another.id]))
    assert sum((Counter(numbers) for numbers in counted.values()), Counter()) == {
        Phase.RUNNING: 2,
        Phase.BUILDING: 1,
    }
    assert read(store, lambda batches: batches.begun([])) == {}


def test_only_the_jobs_of_a_batch_that_still_run_have_begun(store):
    batch, (job,) = a_batch(store, 1)
    mark_started(store, claim(store))
    assert read(store, lambda batches: batches.begun([batch.id])) == {batch.id: {Phase.RUNNING: 1}}

    cancel(store, job)

    assert read(store, lambda batches: batches.begun([batch.id])) == {}
