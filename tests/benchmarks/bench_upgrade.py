"""The longest wait of a statement while a database with many jobs is migrated from the previous version.

`python -m tests.benchmarks.bench_upgrade [JOBS]`, on MariaDB; the default is 1,000,000 jobs, which take some
minutes to load. The exit code is 1 if a statement waited longer than a second.
"""

import sys
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from adapters.sql.engine import DatabaseOptions, create_engine
from adapters.sql.migrate import SqlSchema, newest
from tests.benchmarks.bench_lists import ROOM
from tests.support import mariadb
from tests.support.filled_database import fill_by_copies

JOBS = 1_000_000
# The schema of the previous version (tests/chaos/test_upgrade.py).
PREVIOUS = "0028"
MOST_S = 1.0
# Like the statements of uploads and workers on the large tables, on one row of each.
_STATEMENTS = {
    "jobs": "UPDATE jobs SET updated_at = updated_at + INTERVAL 1 SECOND LIMIT 1",
    "executions": "UPDATE executions SET request_id = UUID() LIMIT 1",
    "job_tags": "UPDATE job_tags SET value = UUID() LIMIT 1",
    "projects": "UPDATE projects SET description = UUID() LIMIT 1",
}


def main(jobs: int = JOBS) -> bool:
    """Measure and print; return whether no statement waited too long."""
    program = mariadb.find_server()
    if program is None:
        sys.exit("MariaDB is not installed: apt-get install mariadb-server-core")
    with tempfile.TemporaryDirectory() as directory:
        server = mariadb.start_server(program, Path(directory), *ROOM)
        try:
            url = server.create_schema("upgraded")
            return _measure(create_engine(url, DatabaseOptions(read_timeout_s=600, lock_wait_s=600)), jobs)
        finally:
            server.stop()


def _measure(engine: sa.Engine, jobs: int) -> bool:
    fill_by_copies(engine, jobs)
    schema = SqlSchema(engine)
    schema.downgrade(PREVIOUS)
    is_over = threading.Event()
    waits: dict[str, float] = dict.fromkeys(_STATEMENTS, 0.0)

    def repeat(table: str) -> None:
        with engine.connect() as connection:
            while not is_over.is_set():
                begin = time.monotonic()
                connection.exec_driver_sql(_STATEMENTS[table])
                connection.commit()
                waits[table] = max(waits[table], time.monotonic() - begin)

    threads = [threading.Thread(target=repeat, args=(table,)) for table in _STATEMENTS]
    for thread in threads:
        thread.start()
    begin = time.monotonic()
    schema.upgrade()
    took_s = time.monotonic() - begin
    is_over.set()
    for thread in threads:
        thread.join()
    print(f"{jobs:,} jobs, tables {PREVIOUS} to {newest()}: {took_s:.1f} s; the longest wait of a statement:")
    for table, wait_s in waits.items():
        print(f"    {table:12}{wait_s:7.3f} s  <= {MOST_S:g} s {'' if wait_s <= MOST_S else 'MISSED'}")
    return max(waits.values()) <= MOST_S


if __name__ == "__main__":
    if not main(*map(int, sys.argv[1:2])):
        sys.exit("a statement waited for too long")
