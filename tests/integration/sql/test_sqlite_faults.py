import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.sql.engine import DatabaseOptions, create_engine
from adapters.sql.migrate import SqlSchema
from application.errors import CommitOutcomeUnknown, DependencyUnavailable
from application.lists import JobFilter
from tests.support.callers import ANONYMOUS
from tests.support.samples import a_job
from tests.support.small_disk import fill, small_disk

IMPATIENT = DatabaseOptions(lock_wait_s=1)


def file_of(url):
    return sa.make_url(url).database


def set_on_connect(store, pragma):
    """Have the store's connections limited from now on."""
    sa.event.listen(store.engine, "connect", lambda connection, _record: connection.execute(pragma))
    store.engine.dispose()


def test_a_writer_in_another_process_is_waited_for(sqlite_url, open_store):
    store = open_store(sqlite_url)
    a_job(store)
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    waiting = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    waiting.start()

    a_job(store)

    waiting.join()
    other.close()
    assert len(store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs) == 2


def test_a_database_that_stays_locked_is_unavailable_to_writers_and_open_to_readers(
    sqlite_url, open_store, caplog
):
    store = open_store(sqlite_url, IMPATIENT)
    job = a_job(store)
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(DependencyUnavailable, match="holds a lock") as caught,
    ):
        a_job(store)

    assert caught.value.dependency == "database"
    assert "holds a lock" in caplog.text
    assert store.queries.status(ANONYMOUS, job.id) is not None
    with pytest.raises(DependencyUnavailable, match="cannot be written to: another transaction holds a lock"):
        store.unit_of_work.check()
    other.close()
    a_job(store)
    store.unit_of_work.check()


@pytest.mark.parametrize(("offset", "said"), [(0, "is not a database"), (4096, "is damaged")])
def test_a_damaged_file_is_told_with_the_command_that_helps(sqlite_url, open_store, offset, said):
    store = open_store(sqlite_url)
    a_job(store)
    store.engine.dispose()  # the last connection writes the log of changes to the file
    with Path(file_of(sqlite_url)).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(offset)
        file.write(b"\xff" * (size - offset))

    with pytest.raises(DependencyUnavailable, match=f"{said}; 'service-server restore' makes"):
        store.queries.page(ANONYMOUS, JobFilter(limit=10))


def test_a_full_disk_is_told_and_leaves_nothing_behind(sqlite_url, open_store):
    store = open_store(sqlite_url)
    job = a_job(store)
    set_on_connect(store, "PRAGMA max_page_count = 1")

    with pytest.raises(DependencyUnavailable, match="disk is full"):
        a_job(store, stdin="x" * 1_000_000)

    assert store.relay.offered == []
    assert [view.job_id for view in store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs] == [job.id]


def test_an_unwritable_file_is_told(sqlite_url, open_store):
    store = open_store(sqlite_url)
    set_on_connect(store, "PRAGMA query_only = ON")

    with pytest.raises(DependencyUnavailable, match="not writable"):
        a_job(store)
    with pytest.raises(DependencyUnavailable, match="cannot be written to: its file is not writable"):
        store.unit_of_work.check()


def test_a_disk_that_has_become_full_is_noticed_though_it_can_be_read(tmp_path, open_store):
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        url = f"sqlite:///{disk / 'store.db'}"
        SqlSchema(create_engine(url)).upgrade()
        store = open_store(url)
        job = a_job(store)
        filler = fill(disk)

        with pytest.raises(DependencyUnavailable, match="cannot be written to: its disk is full"):
            store.unit_of_work.check()

        assert store.queries.status(ANONYMOUS, job.id) is not None
        filler.unlink()
        store.unit_of_work.check()
        store.engine.dispose()


def test_the_outcome_of_a_commit_that_fails_is_known(tmp_path, open_store):
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        url = f"sqlite:///{disk / 'store.db'}"
        SqlSchema(create_engine(url)).upgrade()
        store = open_store(url)
        job = a_job(store)
        filler = fill(disk)

        with pytest.raises(DependencyUnavailable, match="disk is full") as caught:
            a_job(store, stdin="x" * 1_000_000)

        assert not isinstance(caught.value, CommitOutcomeUnknown)
        assert [view.job_id for view in store.queries.page(ANONYMOUS, JobFilter(limit=10)).jobs] == [job.id]
        filler.unlink()
        store.engine.dispose()


def test_no_transaction_is_logged_for_its_commit_has_an_answer(sqlite_url, open_store):
    a_job(open_store(sqlite_url))

    file = sqlite3.connect(file_of(sqlite_url))
    assert file.execute("SELECT COUNT(*) FROM commits").fetchone() == (0,)
    file.close()


def test_a_check_leaves_nothing_behind_and_does_not_write_each_time(sqlite_url, open_store):
    store = open_store(sqlite_url)
    store.unit_of_work.check()
    other = sqlite3.connect(file_of(sqlite_url), isolation_level=None)
    assert other.execute("SELECT COUNT(*) FROM inbox").fetchone() == (0,)
    other.execute("BEGIN IMMEDIATE")

    store.unit_of_work.check()
    other.close()


def test_a_file_that_is_no_database_is_told(tmp_path, open_store):
    path = tmp_path / "notes.txt"
    path.write_text("These are notes, and no database. " * 100)

    with pytest.raises(DependencyUnavailable, match="not a database"):
        open_store(f"sqlite:///{path}").unit_of_work.check()


def test_a_directory_that_is_missing_is_told_without_its_name(tmp_path, open_store):
    store = open_store(f"sqlite:///{tmp_path / 'missing' / 'store.db'}")

    with pytest.raises(DependencyUnavailable, match="cannot be opened") as caught:
        store.unit_of_work.check()

    assert str(tmp_path) not in str(caught.value)


def test_many_writers_take_turns_without_sleeping(sqlite_url, open_store):
    store = open_store(sqlite_url)
    a_job(store)
    begin = time.monotonic()
    threads = [threading.Thread(target=lambda: [a_job(store) for _ in range(10)]) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(store.queries.page(ANONYMOUS, JobFilter(limit=1_000)).jobs) == 81
    assert time.monotonic() - begin < 10  # SQLite's own waiting is far slower and lets some starve


def test_the_files_are_for_this_user_alone(tmp_path, open_store):
    store = open_store(f"sqlite:///{tmp_path / 'database'}")
    SqlSchema(store.engine).upgrade()
    a_job(store)

    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}

    assert modes == {"database": 0o600, "database-wal": 0o600, "database-shm": 0o600}


def test_another_process_leaves_the_write_ahead_log_of_open_connections_alone(tmp_path):
    # Given a process that opens a second connection while it uses the first
    path = tmp_path / "database"
    engine = create_engine(sa.make_url(f"sqlite:///{path}"))
    count = "SELECT COUNT(*) FROM numbers"
    with engine.connect() as first:
        first.exec_driver_sql("CREATE TABLE numbers (number INTEGER)")
        first.commit()
        engine.connect().close()

        # When another process opens and closes the database
        code = (
            f"import sqlite3; other = sqlite3.connect({str(path)!r}); other.execute({count!r}); other.close()"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

        # Then the next commit is not lost with the log
        first.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        first.commit()
        with closing(sqlite3.connect(path)) as reader:
            assert reader.execute(count).fetchone() == (1,)
    engine.dispose()
