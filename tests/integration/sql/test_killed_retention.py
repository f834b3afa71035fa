"""A removal by age whose processes are killed forgets no object and deletes none early."""

import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.sql.engine import reading
from adapters.sql.tables import executions, job_tags, jobs, pending_deletions
from domain.values import ObjectKey
from tests.support.filled_database import fill, usual_job
from tests.support.processes import eventually

SOAK = int(os.environ.get("SERVICE_SERVER_SOAK", "1"))
JOBS, KILLS = 200 * SOAK, 2 + SOAK
# A process is killed after so many rows at most.
STEPS = 100
# Removes all that is older than ten days, and deletes the objects.
PURGE = """
import sys
from datetime import timedelta
from pathlib import Path
from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.in_process.message_relay import InProcessMessageRelay
from adapters.in_process.output_feed import InProcessOutputFeed
from adapters.prometheus.no_measurements import NoMeasurements
from adapters.sql.engine import create_engine
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.id_generator import Uuid7Generator
from application.orphan_sweep import OrphanSweep
from application.ports.purge_repository import StoreName
from application.use_cases.apply_retention import ApplyRetention, RetentionRules
from application.use_cases.remove_deleted import RemoveDeleted
from domain.retention import Retention

url, directory = sys.argv[1:]
common = {
    "unit_of_work": SqlUnitOfWork(create_engine(url), InProcessMessageRelay()),
    "clock": SystemClock(),
    "ids": Uuid7Generator(),
    "measurements": NoMeasurements(),
}
stores = {
    name: FilesystemObjectStore(Path(directory) / name, "http://localhost", durable=False)
    for name in StoreName
}
rules = RetentionRules(default=Retention(jobs_days=10), orphans_kept=timedelta(hours=6))
remove_deleted = RemoveDeleted(
    stores=stores, output_feed=InProcessOutputFeed(), outbox_writer=None, worker="worker", batch=10, **common
)
no_orphans = OrphanSweep(common["unit_of_work"], {}, common["clock"], rules.orphans_kept)
apply_retention = ApplyRetention(orphans=no_orphans, rules=rules, **common)
removed = 1
while removed:
    removed = apply_retention(at_once=True)
    remove_deleted()
print("done", flush=True)
"""


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
    url = store.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", PURGE, url, str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


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
        assert eventually(lambda: abs(left(store) - before) >= steps or purging.poll() is not None)  # noqa: B023
        purging.send_signal(signal.SIGKILL)
        purging.communicate()
        assert faults(store, objects, JOBS) == ([], [])
    # Then the rest is removed by two others at once, when the ones that were killed do not come back
    while left(store) > JOBS // 2:
        store.pass_time(60)
        both = [start(store, tmp_path) for _ in range(2)]
        outcomes = [(one.communicate(timeout=900), one.returncode) for one in both]
        assert [code for _output, code in outcomes] == [0, 0], outcomes
    with reading(store.engine) as connection:
        kept = connection.execute(sa.select(jobs.c.created_at)).scalars().all()
        for table in (executions, job_tags):
            orphans = sa.select(table.c.job_id).where(table.c.job_id.not_in(sa.select(jobs.c.job_id)))
            assert connection.execute(orphans).first() is None
    assert len(kept) == JOBS // 2
    assert min(kept) > now - timedelta(days=10)
    assert left(store) == JOBS // 2
    assert faults(store, objects, JOBS) == ([], [])
