import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from uuid import uuid4

import pymysql
import pytest
import sqlalchemy as sa

from adapters.sql import unit_of_work
from adapters.sql.engine import DatabaseOptions, create_engine
from adapters.sql.transaction_retrier import run_again
from application.errors import DependencyUnavailable
from application.messages import Message
from domain.values import JobId, MessageId
from tests.support.callers import ANONYMOUS
from tests.support.database_server import USER
from tests.support.databases import migrated_schema
from tests.support.processes import PATIENCE_S, freeze
from tests.support.samples import a_job, a_project
from tests.support.stores import PATIENT
from tests.support.tcp_proxy import TcpProxy, Traffic


def touch(transaction, job_id):
    job = transaction.jobs.get_of_any_tenant(job_id)
    transaction.jobs.replace(job, replace(job, updated_at=job.updated_at))


def test_the_victim_of_a_deadlock_runs_again_and_succeeds(server_url, open_store):
    store = open_store(server_url)
    jobs = [a_job(store).id for _ in range(2)]
    both_hold_one = threading.Barrier(2)
    runs = []

    def change_both(first, second):
        def work(transaction):
            runs.append(first)
            touch(transaction, first)
            if len(runs) <= 2:
                both_hold_one.wait()
            touch(transaction, second)
            transaction.outbox.add([Message(id=MessageId(uuid4()), name="JobCompleted", body={})])

        store.run(work)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(change_both, jobs, reversed(jobs)))

    assert len(runs) == 3
    assert len(store.relay.offered) == 2
    assert len(store.run(lambda transaction: transaction.outbox.fetch_stale(0, 10))) == 2


def test_a_row_that_is_held_for_a_while_is_waited_for(server, server_url, open_store):
    store = open_store(server_url, DatabaseOptions(lock_wait_s=1))
    job = a_job(store)
    runs = []

    def work(transaction):
        runs.append(1)
        touch(transaction, job.id)

    with server.connect() as holder, holder.cursor() as cursor:
        holder.select_db(server_url.database)
        cursor.execute("BEGIN")
        cursor.execute("SELECT 1 FROM jobs FOR UPDATE")
        release = threading.Timer(1.5, holder.rollback)
        release.start()
        store.run(work)
        release.join()

    assert len(runs) == 2  # the first one waited for a second


def test_a_transaction_that_lost_its_connection_runs_again(server, server_url, open_store):
    store = open_store(server_url)
    job = a_job(store)
    runs = []

    def work(transaction):
        runs.append(1)
        touch(transaction, job.id)
        if len(runs) == 1:
            kill_connections(server)
        touch(transaction, job.id)
        return "done"

    assert store.run(work) == "done"
    assert len(runs) == 2


def kill_connections(server):
    """End every connection but the one that does it."""
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW PROCESSLIST")
        for thread, user, *_ in cursor.fetchall():
            if user == USER and thread != connection.thread_id():
                cursor.execute(f"KILL {thread}")


def test_connections_that_broke_while_idle_are_not_noticed(server, server_url, open_store):
    store = open_store(server_url)
    job = a_job(store)
    kill_connections(server)

    assert store.queries.status(ANONYMOUS, job.id) is not None
    kill_connections(server)
    a_job(store)


def test_a_server_that_is_down_is_told_soon_and_used_again_when_it_is_back(server, server_url, open_store):
    store = open_store(server_url)
    job = a_job(store)
    server.kill()
    try:
        for ask in (
            lambda: store.queries.status(ANONYMOUS, job.id),
            store.unit_of_work.check,
            lambda: a_project(store),
        ):
            begin = time.monotonic()
            with pytest.raises(DependencyUnavailable) as caught:
                ask()
            assert time.monotonic() - begin < 15
            assert "127.0.0.1" not in str(caught.value)
            assert str(server.port) not in str(caught.value)
    finally:
        server.start()

    assert answered_in_time(lambda: store.queries.status(ANONYMOUS, job.id)) is not None
    assert answered_in_time(lambda: a_job(store)) is not None


def answered_in_time(ask):
    """Ask until there is an answer: a database that was gone is not asked for a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except DependencyUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_server_that_hangs_is_told_within_its_timeouts(server, server_url, open_store):
    store = open_store(server_url, DatabaseOptions(read_timeout_s=1))
    job = a_job(store)
    freeze(server.pid)
    try:
        begin = time.monotonic()
        with pytest.raises(DependencyUnavailable):
            store.queries.status(ANONYMOUS, job.id)
        assert time.monotonic() - begin < 15
    finally:
        os.kill(server.pid, signal.SIGCONT)

    assert answered_in_time(lambda: store.queries.status(ANONYMOUS, job.id)) is not None


def hang(proxy):
    proxy.traffic = Traffic.STALLS


def trickle(proxy):
    proxy.latency_s = 0.2  # for each 64 KiB


@pytest.mark.parametrize("fault", [hang, trickle])
def test_a_large_statement_that_is_not_taken_is_given_up_within_the_time_of_a_write(
    server, server_url, open_store, fault
):
    with TcpProxy(server.port) as proxy:
        url = server_url.set(port=proxy.port)
        store = open_store(url, DatabaseOptions(read_timeout_s=1, write_timeout_s=1))
        job = a_job(store)
        large = replace(job, id=JobId(uuid4()), spec=replace(job.spec, stdin="x" * (12 << 20)))

        def work(transaction):
            transaction.jobs.get_of_any_tenant(job.id)
            fault(proxy)
            transaction.jobs.add(large)

        begin = time.monotonic()
        with pytest.raises(DependencyUnavailable):
            store.run(work)
        assert time.monotonic() - begin < 15


def test_a_connection_that_is_made_anew_has_its_timeouts(server, server_url):
    engine = create_engine(server_url, DatabaseOptions(read_timeout_s=1))
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        driver.close()
        driver.connect()
        freeze(server.pid)
        try:
            begin = time.monotonic()
            with pytest.raises(pymysql.err.OperationalError):
                driver.query("SELECT 1")
            assert time.monotonic() - begin < 15
        finally:
            os.kill(server.pid, signal.SIGCONT)
    engine.dispose()


def test_a_user_who_is_refused_is_told_without_a_password(server_url, open_store):
    store = open_store(server_url.set(password="wrong-password"))

    with pytest.raises(DependencyUnavailable, match="denies access to this user") as caught:
        store.unit_of_work.check()

    assert "wrong-password" not in str(caught.value)


def test_callers_that_find_every_connection_in_use_are_told_soon(server_url, open_store):
    store = open_store(server_url, DatabaseOptions(pool_size=1, pool_timeout_s=0.2))

    def work(_transaction):
        with pytest.raises(DependencyUnavailable, match="in use"):
            store.unit_of_work.check()

    store.run(work)


def test_sessions_are_as_the_adapter_needs_them(server_url, open_store):
    with open_store(server_url).engine.connect() as connection:
        assert connection.get_isolation_level() == "READ COMMITTED"
        row = connection.exec_driver_sql("SELECT @@time_zone, @@innodb_lock_wait_timeout, @@autocommit")
        assert tuple(row.one()) == ("+00:00", DatabaseOptions().lock_wait_s, 1)


def test_a_row_that_is_held_by_a_process_that_stands_still_is_let_go(server_url, open_store):
    store = open_store(server_url)
    job = a_job(store)
    impatient = DatabaseOptions(idle_transaction_s=1, idle_connection_s=1)
    still = open_store(server_url, impatient)
    others = []

    def stand_still(transaction):
        touch(transaction, job.id)
        answered_in_time(lambda: store.run(lambda other: touch(other, job.id)))
        others.append("changed it")
        touch(transaction, job.id)

    with pytest.raises(DependencyUnavailable, match="the connection was lost"):
        still.run(stand_still)

    assert others == ["changed it"]


@pytest.fixture
def ordinary_url(server, server_url):
    """The schema as a user sees it who may do nothing to the server."""
    name = f"ordinary-{uuid4().hex[:8]}"
    with closing(server.connect()) as admin, admin.cursor() as cursor:
        cursor.execute(f"CREATE USER '{name}'@'%' IDENTIFIED BY 'secret'")
        cursor.execute(f"GRANT ALL ON `{server_url.database}`.* TO '{name}'@'%'")
        yield server_url.set(username=name, password="secret")
        cursor.execute("UNLOCK TABLES")
        cursor.execute("SET GLOBAL read_only = 0")
        cursor.execute(f"DROP USER '{name}'@'%'")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("SET GLOBAL read_only = 1", "it cannot be written to: it is read-only"),
        ("FLUSH TABLES WITH READ LOCK", "it cannot be written to: "),
    ],
)
def test_a_server_that_answers_and_takes_no_writes_is_noticed(
    server, ordinary_url, open_store, statement, words
):
    store = open_store(ordinary_url, replace(PATIENT, read_timeout_s=5))
    job = a_job(store)
    with closing(server.connect()) as admin, admin.cursor() as cursor:
        cursor.execute(statement)
        begin = time.monotonic()

        with pytest.raises(DependencyUnavailable, match=words):
            store.unit_of_work.check()

        assert time.monotonic() - begin < 20
        assert store.queries.status(ANONYMOUS, job.id) is not None
        cursor.execute("SET GLOBAL read_only = 0")
    store.unit_of_work.check()


@pytest.mark.parametrize("code", [1021, 1114])
def test_a_server_whose_disk_is_full_is_noticed_although_it_takes_small_writes(
    server_url, open_store, monkeypatch, code
):
    store = open_store(server_url)
    store.unit_of_work.check()

    def refuse(_transaction):
        with store.engine.connect() as connection:
            connection.exec_driver_sql(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}")

    with pytest.raises(DependencyUnavailable, match="its disk is full"):
        store.unit_of_work.run(refuse)

    with pytest.raises(DependencyUnavailable, match="it cannot be written to: its disk is full"):
        store.unit_of_work.check()
    # And after a while without such a refusal, it is usable again
    monkeypatch.setattr(unit_of_work, "monotonic", lambda: time.monotonic() + 10)
    store.unit_of_work.check()


def connection_id(store):
    with store.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT CONNECTION_ID()").scalar_one()


def test_connections_to_a_server_that_became_read_only_are_replaced(server, ordinary_url, open_store):
    # Given the connections of a process, whose server is demoted in a failover
    store = open_store(ordinary_url)
    job = a_job(store)
    before = connection_id(store)
    with server.read_only():
        # When a write is refused
        with pytest.raises(DependencyUnavailable, match="it is read-only"):
            store.run(lambda transaction: touch(transaction, job.id))
        # Then the next call opens a new connection, which the address may lead to the new primary
        assert connection_id(store) != before


def test_a_connection_is_kept_if_only_its_transaction_is_read_only(ordinary_url, open_store):
    store = open_store(ordinary_url)
    a_job(store)
    before = connection_id(store)

    with store.engine.connect() as connection:
        connection.exec_driver_sql("START TRANSACTION READ ONLY")
        with pytest.raises(sa.exc.OperationalError, match="READ ONLY transaction"):
            connection.exec_driver_sql("UPDATE jobs SET status = status")
    assert connection_id(store) == before


# From the error lists of MySQL and MariaDB: troubles of the server, and none of the statement.
TROUBLES = {
    1026: "cannot write to its disk",
    1030: "its storage engine reports an error",
    1041: "too little memory",
    1047: "not synchronized with its cluster",
    1129: "blocks this host",
    1135: "too little memory",
    1153: "larger than its .max_allowed_packet.",
    1206: "too little memory",
    1317: "interrupted the statement",
    1467: "interrupted the statement before",
    1969: "exceeded its time limit",
    3024: "exceeded its time limit",
    3101: "another member of its group changed the same rows",
}


@pytest.mark.parametrize("code", TROUBLES)
def test_troubles_of_the_server_are_an_outage_and_no_fault_of_the_service(server_url, open_store, code):
    store = open_store(server_url)

    def fail():
        with store.engine.begin() as connection:
            connection.exec_driver_sql(f"SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = {code}")

    with pytest.raises(DependencyUnavailable, match=TROUBLES[code]):
        run_again(fail)


def test_an_account_without_a_password_is_named_as_that(mariadb, open_store):
    url = mariadb.create_schema("integration")
    with mariadb.connect() as connection:
        connection.query("CREATE OR REPLACE USER 'local'@'%' IDENTIFIED VIA unix_socket")
        connection.query("GRANT ALL ON *.* TO 'local'@'%'")
    store = open_store(url.set(username="local", password=""))

    with pytest.raises(DependencyUnavailable, match="does not authenticate with a password"):
        store.unit_of_work.check()


def test_a_missing_right_is_named_as_that(mariadb, open_store):
    url = migrated_schema(mariadb, "integration")
    with mariadb.connect() as connection:
        connection.query("CREATE OR REPLACE USER 'reader'@'%' IDENTIFIED BY 'reads'")
        connection.query("GRANT SELECT ON integration.* TO 'reader'@'%'")
    store = open_store(url.set(username="reader", password="reads"))

    with pytest.raises(DependencyUnavailable, match="lacks a privilege"):
        a_project(store)
