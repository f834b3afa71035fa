"""A commit whose answer is lost is looked up: what was committed is done once, what was not is done anew.

On SQLite none is lost.
"""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa

from adapters.sql.audit_log import SqlAuditLog, is_recorded
from adapters.sql.commit_log import LogEntry
from adapters.sql.errors import Failure
from adapters.sql.execution_repository import SqlExecutionRepository
from adapters.sql.tables import commits
from adapters.sql.unit_of_work import SqlUnitOfWork
from application.errors import CommitOutcomeUnknown, DependencyUnavailable
from application.messages import Message
from application.retry_policy import RetryPolicy
from domain.values import MessageId
from tests.support.processes import PATIENCE_S
from tests.support.samples import NOW, a_project, a_running_job, an_audit_entry
from tests.support.stores import SqlStore
from tests.support.tcp_proxy import TcpProxy


class BrokenServer(SqlStore):
    """A server behind a proxy that cuts connections at their commits."""

    def __init__(self, url, proxy):
        # Not encrypted, or the proxy could not know a commit.
        self.url_of_server = url
        super().__init__(url.set(port=proxy.port).update_query_dict({"ssl_disabled": "1"}))
        self._proxy = proxy

    def lose_commit(self, *, is_done):
        self._proxy.reset_at(b"COMMIT", is_delivered=is_done)

    @contextmanager
    def database_away(self):
        self._proxy.close_port()
        yield
        self._proxy.open_port()


@pytest.fixture(params=["mariadb", "mysql"])
def store(request, migrated_url, monkeypatch):
    # On a busy machine, a connection takes longer than a caller would wait for the next attempt.
    monkeypatch.setattr("adapters.sql.transaction_retrier._MAX_S", dict.fromkeys(Failure, PATIENCE_S))
    url = migrated_url(request.getfixturevalue(request.param))
    with TcpProxy(url.port) as proxy:
        store = BrokenServer(url, proxy)
        store.empty()
        yield store
        store.close()


@pytest.fixture(params=[False, True], ids=["log of commits", "audit entry"])
def add(request, store):
    """Work that adds a row of its own to the outbox at each run, and returns the number of its run.

    With an audit entry or without one, it is the same to its caller.
    """
    entry = an_audit_entry(1) if request.param else None

    class Add:
        runs = 0

        def __call__(self, transaction):
            self.runs += 1
            if entry is not None:
                transaction.audit.add(entry)
            transaction.outbox.add([Message(id=MessageId(uuid4()), name="Added", body={"run": self.runs})])
            return self.runs

    a_project(store)  # its row in the log is there
    store.relay.offered.clear()
    return Add()


def added(store):
    """Return the runs whose messages are stored, none of which differs from those that were offered."""
    with store.engine.connect() as connection:
        stored = connection.execute(sa.text("SELECT message_id FROM outbox")).all()
    assert {row.message_id for row in stored} == {str(message.id) for message in store.relay.offered}
    return [message.body["run"] for message in store.relay.offered]


def test_a_commit_that_happened_and_whose_answer_was_lost_is_not_done_twice(store, add):
    store.lose_commit(is_done=True)

    assert store.run(add) == 1

    assert (add.runs, added(store)) == (1, [1])


def test_a_commit_that_did_not_happen_is_done_once(store, add):
    store.lose_commit(is_done=False)

    assert store.run(add) == 2

    assert (add.runs, added(store)) == (2, [2])


@pytest.mark.parametrize("is_done", [True, False])
def test_a_first_transaction_is_looked_up_as_well(store, add, is_done):
    unit_of_work = SqlUnitOfWork(store.engine, store.relay)
    store.lose_commit(is_done=is_done)

    assert unit_of_work.run(add) == (1 if is_done else 2)

    assert added(store) == [add.runs]


def test_two_lost_commits_in_a_row_are_told_apart(store, add):
    store.lose_commit(is_done=False)
    store.lose_commit(is_done=True)

    assert store.run(add) == 2

    assert (add.runs, added(store)) == (2, [2])


@pytest.mark.parametrize("is_done", [True, False])
def test_an_outcome_is_unknown_while_the_database_stays_away(store, add, is_done):
    def work(transaction):
        stays_away.enter_context(store.database_away())
        return add(transaction)

    stays_away = _Later()
    store.lose_commit(is_done=is_done)
    with pytest.raises(CommitOutcomeUnknown):
        store.run(work)
    stays_away.close()

    assert store.relay.offered == []


@pytest.mark.parametrize("is_done", [True, False])
def test_an_outcome_is_looked_up_again_when_the_database_is_back(store, add, is_done):
    def work(transaction):
        if add.runs == 0:
            stays_away.enter_context(store.database_away())
        return add(transaction)

    def come_back(_seconds):
        waits.append(1)
        if len(waits) == 2:
            stays_away.close()

    stays_away, waits = _Later(), []
    store.lose_commit(is_done=is_done)

    result = store.unit_of_work.run(work, RetryPolicy((1.0,) * 600, sleep=come_back_slowly(come_back)))

    assert len(waits) >= 2
    assert result == add.runs == (1 if is_done else 2)
    assert added(store) == [add.runs]


def come_back_slowly(come_back):
    """Wait a little as well, for a circuit that is open stays so for a moment."""

    def sleep(seconds):
        come_back(seconds)
        threading.Event().wait(0.05)

    return sleep


class _Later:
    """A context that is entered in one thread's work and left by hand."""

    def __init__(self):
        self._context = None

    def enter_context(self, context):
        context.__enter__()
        self._context = context

    def close(self):
        self._context.__exit__(None, None, None)


def test_nothing_was_done_when_the_database_was_gone_before_the_commit(store):
    def work(_transaction):
        raise sa.exc.TimeoutError

    with pytest.raises(DependencyUnavailable) as caught:
        store.run(work)

    assert not isinstance(caught.value, CommitOutcomeUnknown)


def test_an_entry_that_was_posted_before_its_commit_is_looked_up_is_found(store, add):
    def work(transaction):
        if add.runs == 0:
            stays_away.enter_context(store.database_away())
        return add(transaction)

    def come_back(_seconds):
        stays_away.close()
        other.run(lambda transaction: transaction.audit.post(10))

    other = SqlStore(store.url_of_server)
    stays_away = _Later()
    store.lose_commit(is_done=True)

    assert store.unit_of_work.run(work, RetryPolicy((1.0,) * 600, sleep=come_back_slowly(come_back))) == 1

    other.close()
    assert (add.runs, added(store)) == (1, [1])


class _AuditRecord:
    """An audit entry as the proof of its transaction."""

    def __init__(self):
        self._entry = an_audit_entry(uuid4().int)

    def write(self, connection):
        SqlAuditLog(connection).add(self._entry)

    def is_committed(self, connection):
        return is_recorded(connection, self._entry.id)


class _Claim:
    """A claim as the proof of its transaction."""

    def write(self, connection):
        executions = SqlExecutionRepository(connection)
        assert executions.claim_next("worker", 30)
        self.is_committed = executions.proof


@pytest.mark.parametrize("proof", [lambda: LogEntry(uuid4(), uuid4()), _AuditRecord, _Claim])
@pytest.mark.parametrize("is_committed", [True, False])
def test_a_transaction_that_has_not_ended_is_waited_for(store, proof, is_committed):
    a_running_job(store)
    entry = proof()
    is_written, may_end = threading.Event(), threading.Event()
    connection = store.engine.connect()

    def write_slowly():
        transaction = connection.begin()
        entry.write(connection)
        is_written.set()
        may_end.wait(90)
        transaction.commit() if is_committed else transaction.rollback()

    def look_up():
        with store.engine.begin() as another:
            return entry.is_committed(another)

    with ThreadPoolExecutor(2) as pool, connection:
        written = pool.submit(write_slowly)
        is_written.wait(90)
        looked_up = pool.submit(look_up)
        assert not wait([looked_up], timeout=0.3).done
        may_end.set()
        written.result()
        assert looked_up.result() is is_committed


def test_the_log_has_a_row_for_each_transaction_that_runs_at_once_and_no_more(store):
    for _ in range(5):
        store.run(lambda _transaction: None)
    assert len(slots(store)) == 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _number: store.run(lambda _transaction: None), range(40)))
    assert len(slots(store)) <= 4


def test_rows_of_processes_that_have_ended_are_removed_after_a_day(store):
    a_project(store)
    (old,) = slots(store)
    with store.engine.begin() as connection:
        connection.execute(sa.update(commits).values(written_at=NOW - timedelta(days=366)))

    store.another().run(lambda _transaction: None)

    assert old not in slots(store)
    store.run(lambda _transaction: None)  # a process that had only been idle goes on
    assert len(slots(store)) == 2


def slots(store):
    with store.engine.connect() as connection:
        return set(connection.execute(sa.select(commits.c.slot)).scalars())
