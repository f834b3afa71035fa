import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from application.errors import ConcurrencyConflict, DependencyUnavailable
from application.messages import Message
from domain.values import MessageId, ProjectName
from tests.support.callers import ANONYMOUS
from tests.support.samples import NOW, a_job, a_project, a_running_job, new_execution_id


def a_message(name="JobCompleted"):
    return Message(id=MessageId(uuid4()), name=name, body={"version": 1, "text": "日本語 \U0001f600 \0"})


def test_what_work_returns_is_returned(store):
    assert store.run(lambda _transaction: "done") == "done"


def test_the_database_answers(store):
    store.unit_of_work.check()


def test_an_error_leaves_nothing_behind(store):
    job = a_job(store)
    other = replace(job, id=uuid4())

    def work(transaction):
        transaction.projects.get_or_add(ANONYMOUS, ProjectName("new"), None, NOW)
        transaction.jobs.add(other)
        transaction.outbox.add([a_message()])
        transaction.inbox.add("engine", "1", NOW)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011 (it has no message)
        store.run(work)

    assert store.run(lambda transaction: transaction.jobs.get_of_any_tenant(other.id)) is None
    assert [project.name.value for project in store.run(lambda t: t.projects.all(ANONYMOUS))] == ["demo"]
    assert store.run(lambda transaction: transaction.outbox.fetch_stale(0, 10)) == []
    assert store.run(lambda transaction: transaction.inbox.add("engine", "1", NOW))
    assert store.relay.offered == []


def test_a_transaction_reads_what_it_wrote(store):
    project = a_project(store)
    job = replace(a_job(store), id=uuid4(), project_id=project.id)

    def work(transaction):
        transaction.jobs.add(job)
        return transaction.jobs.get_of_any_tenant(job.id)

    assert store.run(work) == job


def test_reading_waits_for_no_writer_and_sees_what_is_committed(store):
    job = a_job(store)
    other = replace(job, id=uuid4())
    writing, read = threading.Event(), threading.Event()

    def write(transaction):
        transaction.jobs.add(other)
        writing.set()
        assert read.wait(90)

    with ThreadPoolExecutor(1) as pool:
        written = pool.submit(store.run, write)
        assert writing.wait(90)
        seen = [
            store.unit_of_work.read(lambda t, job_id=job_id: t.jobs.get_of_any_tenant(job_id))
            for job_id in (job.id, other.id)
        ]
        read.set()
        written.result()

    assert seen == [job, None]


@pytest.mark.parametrize("store", ["sqlite", "mariadb", "mysql"], indirect=True)
def test_a_write_among_reads_is_refused(store):
    with pytest.raises(RuntimeError, match="a write in a read-only transaction"):
        store.unit_of_work.read(lambda transaction: transaction.outbox.add([a_message()]))
    with pytest.raises(RuntimeError, match="a write in a read-only transaction"):
        store.unit_of_work.read(lambda transaction: transaction.outbox.remove([a_message().id]))

    store.run(lambda transaction: transaction.outbox.add([a_message()]))  # the next transaction may write
    assert len(store.run(lambda transaction: transaction.outbox.fetch_stale(0, 10))) == 1


def test_the_relay_is_offered_what_was_added_and_only_after_the_commit(store):
    messages = [a_message(), a_message("JobStarted")]

    def work(transaction):
        transaction.outbox.add(messages[:1])
        transaction.outbox.add(messages[1:])
        assert store.relay.offered == []

    store.run(work)

    assert store.relay.offered == messages


def test_work_that_was_made_void_runs_again_from_its_start(store):
    runs = []

    def work(transaction):
        runs.append(1)
        transaction.outbox.add([a_message()])
        if len(runs) < 3:
            raise ConcurrencyConflict
        return len(runs)

    assert store.run(work) == 3
    assert len(store.relay.offered) == 1
    assert len(store.run(lambda transaction: transaction.outbox.fetch_stale(0, 10))) == 1


def test_a_conflict_that_does_not_end_is_unavailability(store):
    def work(_transaction):
        raise ConcurrencyConflict

    with pytest.raises(DependencyUnavailable) as caught:
        store.run(work)

    assert caught.value.dependency == "database"


def test_of_two_writers_that_decided_on_the_same_state_the_loser_decides_anew(store):
    job = a_job(store)
    other = store.another()
    barrier = threading.Barrier(2)

    def start(unit_of_work):
        barrier.wait()
        return unit_of_work.run(lambda transaction: start_if_pending(transaction, job.id))

    with ThreadPoolExecutor(2) as pool:
        started = list(pool.map(start, (store.unit_of_work, other)))

    assert sorted(started) == [False, True]


def start_if_pending(transaction, job_id):
    before = transaction.jobs.get_of_any_tenant(job_id)
    if before.current_execution_id is not None:
        return False
    after, execution, _events = before.start(new_execution_id(), None, NOW)
    transaction.jobs.replace(before, after)
    transaction.executions.add(after, execution)
    return True


def test_no_update_is_lost(store):
    job, _execution = a_running_job(store)
    units_of_work = [store.unit_of_work, store.another()]
    threads, increments = 8, 10

    def increment(transaction):
        before = transaction.jobs.get_of_any_tenant(job.id)
        count = int((before.started_at - NOW).total_seconds())
        after = replace(
            before,
            started_at=NOW + timedelta(seconds=count + 1),
            current_execution_id=new_execution_id(),
        )
        transaction.jobs.replace(before, after)

    def run(number):
        done = 0
        while done < increments:
            # On a busy machine, a caller is told now and then to try again.
            with suppress(DependencyUnavailable):
                units_of_work[number % 2].run(increment)
                done += 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, range(threads)))

    after = store.run(lambda transaction: transaction.jobs.get_of_any_tenant(job.id))
    assert after.started_at - NOW == timedelta(seconds=threads * increments)
