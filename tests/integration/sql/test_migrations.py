import re
import sqlite3
import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from adapters.sql.engine import create_engine
from adapters.sql.migrate import SqlSchema, newest
from application.errors import DependencyUnavailable
from domain.audit import Act, Usage
from tests.integration.sql.forks import FORKS, fork, upgrade
from tests.support.callers import ANONYMOUS
from tests.support.processes import eventually
from tests.support.samples import LATER, a_job, an_audit_entry


@pytest.fixture
def engine(empty_url):
    engine = create_engine(empty_url)
    yield engine
    engine.dispose()


@pytest.fixture
def full_engine(full_url):
    """An engine of a database with all the tables."""
    engine = create_engine(full_url)
    yield engine
    engine.dispose()


def tables(engine):
    return set(sa.inspect(engine).get_table_names())


def execute(engine, *statements):
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def test_an_empty_database_has_no_revision_and_lacks_everything(engine):
    assert SqlSchema(engine).revision() is None
    assert "add table jobs" in SqlSchema(engine).differences()


def test_the_steps_make_what_the_service_works_with(engine):
    SqlSchema(engine).upgrade()

    assert SqlSchema(engine).differences() == []
    assert SqlSchema(engine).revision() == newest()


def test_an_upgrade_of_what_is_up_to_date_changes_nothing(full_engine, full_url, open_store):
    store = open_store(full_url)
    job = a_job(store)

    SqlSchema(full_engine).upgrade()

    assert store.queries.details(ANONYMOUS, job.id).job == job


def test_ends_in_another_form_are_brought_to_the_one_that_sorts_by_time(tmp_path):
    path = tmp_path / "old.db"
    engine = create_engine(f"sqlite:///{path}")
    SqlSchema(engine).upgrade("0002")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO executions"
            " (execution_id, job_id, number, precedence, state, requested_at, ended_at)"
            " VALUES (?, 'any', 1, 0, 'ENDED', '2026-01-01T11:00:00.000000Z', ?)",
            [("1", "2026-01-01 12:00:00.123456+00:00"), ("2", "2026-01-01 12:00:00+00:00"), ("3", None)],
        )

    SqlSchema(engine).upgrade()

    engine.dispose()
    with closing(sqlite3.connect(path)) as connection:
        ends = connection.execute("SELECT ended_at FROM executions ORDER BY ended_at").fetchall()
    assert ends == [(None,), ("2026-01-01T12:00:00.000000Z",), ("2026-01-01T12:00:00.123456Z",)]


def test_bytes_of_files_that_were_removed_before_are_subtracted_from_the_usage_of_their_tenant(
    engine, empty_url, open_store
):
    # Given a removal that was posted before such bytes were subtracted, and one that waits
    SqlSchema(engine).upgrade("0034")
    store = open_store(empty_url)
    posted, waiting = (
        an_audit_entry(number, act=Act.FILES_REMOVE, usage=Usage(stored_bytes=-number)) for number in (7, 2)
    )
    store.run(lambda transaction: transaction.audit.add(posted))
    store.run(lambda transaction: transaction.audit.post(10))
    execute(engine, "UPDATE usage_of_tenants SET stored_bytes = 100")
    store.run(lambda transaction: transaction.audit.add(waiting))

    def stored_bytes():
        used = store.run(lambda transaction: transaction.audit.usage(posted.tenant, posted.at.date()))
        return used.stored_bytes

    SqlSchema(engine).upgrade()
    assert stored_bytes() == 100 - 7 - 2
    # Then another upgrade subtracts nothing twice
    SqlSchema(engine).downgrade("0034")
    assert stored_bytes() == 100 - 2
    SqlSchema(engine).upgrade()
    assert stored_bytes() == 100 - 7 - 2


def test_the_steps_can_be_taken_back_and_let_tables_of_others_in_the_schema_alone(engine):
    execute(engine, "CREATE TABLE others (id INTEGER)")
    SqlSchema(engine).upgrade()
    assert SqlSchema(engine).differences() == []

    SqlSchema(engine).downgrade("base")

    assert SqlSchema(engine).revision() is None
    assert tables(engine) - {"service_server_version"} == {"others"}
    SqlSchema(engine).upgrade()
    assert SqlSchema(engine).differences() == []


@pytest.fixture
def interrupt_each_step():
    """Interrupts a migration before each revision is recorded, until no revision is left to record."""
    seen = set()

    def interrupt(_connection, _cursor, statement, parameters, _context, _many):
        recorded = f"{statement} {parameters}"
        if re.match("(INSERT|UPDATE|DELETE) .*service_server_version", statement) and recorded not in seen:
            seen.add(recorded)
            raise KeyboardInterrupt

    def interrupted(migrate):
        seen.clear()
        sa.event.listen(sa.Engine, "before_cursor_execute", interrupt)
        try:
            while True:
                try:
                    migrate()
                except KeyboardInterrupt:
                    continue
                return len(seen)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", interrupt)

    return interrupted


def test_a_migration_that_was_interrupted_at_any_step_is_completed_by_the_next(server, interrupt_each_step):
    # SQLite migrates in one transaction
    engine = create_engine(server.create_schema("interrupted"))
    schema = SqlSchema(engine)

    assert interrupt_each_step(schema.upgrade) == int(newest())

    assert schema.differences() == []
    # And so is a way back
    assert interrupt_each_step(lambda: schema.downgrade("base")) == int(newest())
    assert tables(engine) == {"service_server_version"}
    engine.dispose()


def test_the_rows_of_a_step_change_once_if_it_is_interrupted(
    engine, empty_url, open_store, interrupt_each_step
):
    # Given a removal that was posted before such bytes were subtracted
    SqlSchema(engine).upgrade("0034")
    store = open_store(empty_url)
    posted = an_audit_entry(1, act=Act.FILES_REMOVE, usage=Usage(stored_bytes=-7))
    store.run(lambda transaction: transaction.audit.add(posted))
    store.run(lambda transaction: transaction.audit.post(10))
    execute(engine, "UPDATE usage_of_tenants SET stored_bytes = 100")
    SqlSchema(engine).downgrade("0033")
    # When an upgrade is interrupted after it has subtracted them, and is repeated
    interrupt_each_step(SqlSchema(engine).upgrade)
    # Then they are subtracted once
    used = store.run(lambda transaction: transaction.audit.usage(posted.tenant, posted.at.date()))
    assert used.stored_bytes == 100 - 7


def test_a_table_of_others_by_the_name_of_a_later_one_is_told(engine):
    SqlSchema(engine).upgrade("0011")
    execute(engine, "CREATE TABLE sessions (id INTEGER)")

    with pytest.raises(DependencyUnavailable, match="names"):
        SqlSchema(engine).upgrade()


def test_each_step_keeps_what_the_one_before_kept(engine, empty_url, open_store):
    # Given tables as the first version made them, with a message in each box
    SqlSchema(engine).upgrade("0001")
    execute(
        engine,
        "INSERT INTO outbox (message_id, name, body) VALUES "
        "('01890a5d-ac96-774b-bcce-b302099a8057', 'A', '{}')",
        "INSERT INTO inbox VALUES ('d', 'engine', '1', '2026-01-01 00:00:00')",
    )
    # When they are brought up to date
    SqlSchema(engine).upgrade()
    # Then both are there, and can be swept
    store = open_store(empty_url)
    (message,) = store.run(lambda transaction: transaction.outbox.fetch_stale(0, 10))
    assert message.name == "A"
    assert store.run(lambda transaction: transaction.inbox.forget(LATER, 10)) == 1
    # And the version before can be gone back to
    SqlSchema(engine).downgrade("0001")
    SqlSchema(engine).upgrade()
    assert SqlSchema(engine).differences() == []


def test_what_was_changed_by_hand_is_told(full_engine):
    on = "" if full_engine.dialect.name == "sqlite" else " ON outbox"
    execute(full_engine, f"DROP INDEX ix_outbox_added{on}", "ALTER TABLE inbox DROP COLUMN source")

    assert set(SqlSchema(full_engine).differences()) == {
        "add index ix_outbox_added",
        "add column inbox source",
    }


def test_a_table_of_others_by_the_name_of_ours_is_told(engine):
    execute(engine, "CREATE TABLE jobs (id INTEGER)")

    with pytest.raises(DependencyUnavailable, match="names"):
        SqlSchema(engine).upgrade()


def test_a_database_without_tables_is_told_to_be_migrated(empty_url, open_store):
    store = open_store(empty_url)

    with pytest.raises(DependencyUnavailable, match="service-server migrate up"):
        store.unit_of_work.check()


def test_tables_of_a_newer_version_are_let_be_and_told(full_engine):
    execute(full_engine, "UPDATE service_server_version SET version_num = '9999'")

    SqlSchema(full_engine).upgrade()

    assert SqlSchema(full_engine).revision() == "9999"
    assert SqlSchema(full_engine).is_newer()
    assert SqlSchema(full_engine).differences() == [
        f"revision is 9999, of a newer version of the service than this one, {newest()}"
    ]


def test_processes_that_upgrade_at_once_do_not_fight(engine, empty_url):
    url = empty_url if isinstance(empty_url, str) else empty_url.render_as_string(hide_password=False)
    begin = FORKS.Event()
    processes = [fork(upgrade, url, begin) for _ in range(2)]
    begin.set()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0]
    assert SqlSchema(engine).differences() == []


def test_an_upgrade_says_for_whom_it_waits(server, caplog):
    # Given a connection that holds the lock of migrations
    engine = create_engine(server.create_schema("awaited"))
    with engine.connect() as other:
        number = other.execute(sa.select(sa.func.connection_id())).scalar()
        assert other.execute(sa.select(sa.func.get_lock("service_server_migration", 0))).scalar() == 1
        upgrade = threading.Thread(target=SqlSchema(engine).upgrade)
        upgrade.start()

        # When another process upgrades, it says so at once
        said = f"waiting up to 120 s for connection {number} of "
        assert eventually(lambda: said in caplog.text)
        assert SqlSchema(engine).revision() is None
        other.execute(sa.select(sa.func.release_lock("service_server_migration")))

    # Then it goes on once the lock is free
    upgrade.join(60)
    assert SqlSchema(engine).revision() == newest()
    engine.dispose()
