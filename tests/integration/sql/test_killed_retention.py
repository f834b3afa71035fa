"""A removal by age whose processes are killed forgets no object and deletes none early."""

import os
import random
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.sql.engine import reading
from adapters.sql.tables import executions, job_tags, jobs, pending_deletions
from domain.values import ObjectKey
from tests.integration.sql.forks import fork, purge
from tests.support.filled_database import fill, usual_job
from tests.support.processes import eventually

SOAK = int(os.environ.get("SERVICE_SERVER_SOAK", "1"))
JOBS, KILLS = 200 * SOAK, 2 + SOAK
# A process is killed after so many rows at most.
STEPS = 100


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request, open_store, migrated_url):
    if request.param == "sqlite":
        return open_store(request.getfixturevalue("sqlite_url"))
    store = open_store(migrated_url(request.getfixturevalue("mariadb")))
    store.empty()
    return store


def keys(number):
    return ("code", f"p/{number}.py"), ("log", f"logs/{number}.json")


def start(store, directory):
    return fork(purge, store.engine.url.render_as_string(hide_password=False), directory)


def left(store):
    """Return how many jobs and notes of objects there are."""
    with reading(store.engine) as connection:
        return sum(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (jobs, pending_deletions)
        )


def faults(store, objects, size):
    """Return the objects that are left without a note, and those that are gone while their job is there."""
    with reading(store.engine) as connection:
        there = {
            int(key.removeprefix("p/").removesuffix(".py"))
            for key in connection.execute(sa.select(jobs.c.code_key)).scalars()
        }
        noted = {
            (row.store, row.object_key)
            for row in connection.execute(
                sa.select(pending_deletions.c.store, pending_deletions.c.object_key)
            )
        }
    stored = {
        (name, stored.key.value)
        for name, of_name in objects.items()
        for stored in of_name.stored_before(datetime.now(UTC) + timedelta(days=1))
    }
    forgotten = [
        one for n in range(size) if n not in there for one in keys(n) if one in stored and one not in noted
    ]
    early = [one for n in there for one in keys(n) if one not in stored or one in noted]
    return forgotten, early


def test_processes_that_are_killed_at_any_moment_forget_no_object_and_delete_none_early(store, tmp_path):
    # Given jobs with objects, of which every second one is due
    now = datetime.now(UTC)
    ages = (timedelta(days=20), timedelta(days=1))
    fill(store.engine, JOBS, lambda number: usual_job(number, now - ages[number % 2]))
    objects = {
        name: FilesystemObjectStore(tmp_path / name, "http://localhost", durable=False)
        for name in ("code", "log")
    }
    for name, of_name in objects.items():
        contents = {
            ObjectKey(key): b"content" for n in range(JOBS) for owner, key in keys(n) if owner == name
        }
        of_name.put_all(contents, "text/plain")
    assert faults(store, objects, JOBS) == ([], [])
    # When processes that remove them are killed again and again
    for _ in range(KILLS):
        before = left(store)
        done = before - JOBS // 2
        if done == 0:
            break
        purging = start(store, tmp_path)
        steps = random.randint(1, min(done, STEPS))
        assert eventually(lambda: abs(left(store) - before) >= steps or not purging.is_alive())  # noqa: B023
        purging.kill()
        purging.join()
        assert faults(store, objects, JOBS) == ([], [])
    # Then the rest is removed by two others at once, when the ones that were killed do not come back
    while left(store) > JOBS // 2:
        store.pass_time(60)
        both = [start(store, tmp_path) for _ in range(2)]
        for one in both:
            one.join()
        assert [one.exitcode for one in both] == [0, 0]
    with reading(store.engine) as connection:
        kept = connection.execute(sa.select(jobs.c.created_at)).scalars().all()
        for table in (executions, job_tags):
            orphans = sa.select(table.c.job_id).where(table.c.job_id.not_in(sa.select(jobs.c.job_id)))
            assert connection.execute(orphans).first() is None
    assert len(kept) == JOBS // 2
    assert min(kept) > now - timedelta(days=10)
    assert left(store) == JOBS // 2
    assert faults(store, objects, JOBS) == ([], [])
