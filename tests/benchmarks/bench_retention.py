"""The cost of a purge of old jobs for concurrent uploads and lists, and the cost of partitions instead.

`python -m tests.benchmarks.bench_retention [--jobs N] [--rounds N] [--seconds S] [--at-once] [--partitions]
[--directory D] [--sqlite]`; by default, a tenth of 1,000,000 jobs is due, on a private MariaDB. One job has
10,000 cases. Uploads are commands of the application, without HTTP, on four threads of one process; the purge
runs in another process. It alternates with uploads alone, so that other load on the host slows both.

The processor time is that of the purge's thread: on SQLite all of a transaction's, on MariaDB only the
client's. The exit code is 1 if a figure misses its target.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import TypeVar

import sqlalchemy as sa

from adapters.sql.engine import create_engine, long_timeouts
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.tables import case_results, jobs
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.id_generator import Uuid7Generator
from application.lists import JobFilter
from application.metrics import PURGE_DURATION
from application.orphan_sweep import OrphanSweep
from application.ports.unit_of_work import Transaction
from application.use_cases.apply_retention import ApplyRetention, RetentionRules
from domain.retention import Retention
from domain.values import ProjectId
from tests.support import mariadb
from tests.support.callers import ANONYMOUS
from tests.support.database_server import DatabaseServer
from tests.support.filled_database import BEGIN, fill, fill_by_copies
from tests.support.in_memory_service import InMemoryService
from tests.support.memory.measurements import MemoryMeasurements
from tests.support.memory.message_relay import MemoryMessageRelay

T = TypeVar("T")

JOBS, ROUNDS, SECONDS = 1_000_000, 6, 5.0
THREADS = 4
DAYS = 30.0
LISTED = 50
# The maximum share of the upload rate that a purge may cost, and the maximum slowdown of a list's page.
MAX_COST, MAX_SLOWDOWN = 0.10, 1.2
# Its transactions are shorter unless the host is busy with other work.
MAX_LOCKED_MS = 50
_PARTITIONS = 12
# The number of cases of one of the jobs.
_CASES = 10_000
_ROOM = ("--innodb-buffer-pool-size=2G", "--innodb-log-file-size=1G")
_SCHEMA = "retention"


class TimedUnitOfWork(SqlUnitOfWork):
    """A unit of work that records the processor time of each transaction, in seconds."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(engine, MemoryMessageRelay())
        self.taken: list[float] = []

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run work in a transaction."""
        begin = time.thread_time()
        try:
            return super().run(work)
        finally:
            self.taken.append(time.thread_time() - begin)


class LaterClock(SystemClock):
    """A clock that is far enough ahead to make the oldest jobs due."""

    def __init__(self, due_before: datetime) -> None:
        self._ahead = due_before + timedelta(days=DAYS) - super().now()

    def now(self) -> datetime:
        """Return the future time."""
        return super().now() + self._ahead


def main() -> None:
    """Fill a database, measure, and print the figures with their targets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--at-once", action="store_true", help="with few rests, as `service-server purge`")
    parser.add_argument("--directory", type=Path, help="keeps the filled server, or has one")
    parser.add_argument("--sqlite", action="store_true", help="on SQLite instead")
    parser.add_argument("--partitions", action="store_true", help="compare a table with partitions, too")
    parser.add_argument("--purge", nargs=2, metavar=("URL", "UNTIL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.purge is not None:
        url, until = arguments.purge
        _purge(url, datetime.fromisoformat(until), at_once=arguments.at_once)
        return
    with _sqlite(arguments.jobs) if arguments.sqlite else _database(arguments) as url:
        reached = _compare(url, arguments)
        if arguments.partitions:
            _compare_partitions(url, arguments.jobs)
    sys.exit(not reached)


@contextmanager
def _database(arguments: argparse.Namespace) -> Iterator[str]:
    program = mariadb.find_server()
    assert program is not None, "there is no MariaDB on this machine"
    with tempfile.TemporaryDirectory() as name:
        directory = arguments.directory or Path(name)
        is_filled = (directory / "data").exists()
        if is_filled:
            server = DatabaseServer([program, "--no-defaults"], directory, _ROOM)
            server.start()
        else:
            server = mariadb.start_server(program, directory, *_ROOM)
        try:
            url = server.url_of(_SCHEMA) if is_filled else server.create_schema(_SCHEMA)
            if not is_filled:
                _filled(url, arguments.jobs, fill_by_copies)
            yield url.render_as_string(hide_password=False)
        finally:
            server.stop()


@contextmanager
def _sqlite(size: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as directory:
        url = sa.make_url(f"sqlite:///{directory}/retention.sqlite")
        _filled(url, size, fill)
        yield url.render_as_string()


def _filled(url: sa.URL, size: int, fill_with: Callable[[sa.Engine, int], None]) -> None:
    begin = time.monotonic()
    engine = create_engine(url)
    fill_with(engine, size)
    engine.dispose()
    print(f"{size:,} jobs are stored, in {time.monotonic() - begin:.0f} s", flush=True)


def _add_cases(engine: sa.Engine) -> None:
    """Add many cases to one of the oldest jobs."""
    oldest = sa.select(jobs.c.job_id).where(jobs.c.project_id == 1).order_by(jobs.c.created_at).limit(1)
    with engine.begin() as connection:
        job_id = connection.execute(oldest).scalar_one()
        connection.execute(sa.delete(case_results).where(case_results.c.job_id == job_id))
        row = {"job_id": job_id, "verdict": "accepted", "body": {"name": "a case", "stdout": "Hello" * 10}}
        connection.execute(sa.insert(case_results), [{**row, "case_index": n} for n in range(_CASES)])


def _compare(url: str, arguments: argparse.Namespace) -> bool:
    engine = create_engine(url)
    unit_of_work, queries = SqlUnitOfWork(engine, MemoryMessageRelay()), SqlJobQueries(engine)
    service = InMemoryService(lambda _relay: (unit_of_work, queries))
    service.clock, until = SystemClock(), BEGIN + timedelta(seconds=arguments.jobs // 10)
    service._ports = service._ports.__class__(  # noqa: SLF001 - with the host's clock and ids
        **{**service._ports.__dict__, "clock": SystemClock(), "ids": Uuid7Generator()}  # noqa: SLF001
    )
    service.services = service.process("worker-1")
    _add_cases(engine)
    _uploads(service, queries, 2.0)
    alone: list[tuple[float, float]] = []
    beside: list[tuple[float, float]] = []
    purged, durations, taken = 0, [], []
    for _ in range(arguments.rounds):
        alone.append(_uploads(service, queries, arguments.seconds))
        with _purging(url, until, at_once=arguments.at_once) as outcome:
            beside.append(_uploads(service, queries, arguments.seconds))
        purged += outcome["jobs"]
        durations += outcome["durations"]
        taken += outcome["taken"]
    engine.dispose()
    cost = 1 - statistics.median(b[0] / a[0] for a, b in zip(alone, beside, strict=True))
    slower = statistics.median(b[1] / a[1] for a, b in zip(alone, beside, strict=True))
    half = len(alone) // 2
    flat = statistics.median(a[1] for a in alone[-half:]) / statistics.median(a[1] for a in alone[:half])
    p99 = _ms(durations, 99)
    rate = purged / arguments.rounds / arguments.seconds
    print(f"uploads alone   {statistics.median(a[0] for a in alone):8.0f} /s")
    print(f"beside a purge  {statistics.median(b[0] for b in beside):8.0f} /s")
    print(f"list alone      {statistics.median(a[1] for a in alone):8.2f} ms")
    print(f"beside a purge  {statistics.median(b[1] for b in beside):8.2f} ms")
    print(f"purged          {purged:8,} jobs, {rate:.0f} /s")
    for name, times in (("transactions", durations), ("processor time", taken)):
        p50, longest = _ms(times, 50), _ms(times, 100)
        print(
            f"{name:14} {len(times):9,} p50 {p50:.1f} ms, p99 {_ms(times, 99):.1f} ms, max {longest:.1f} ms"
        )
    results = (
        ("cost of a purge for uploads", cost, MAX_COST),
        ("lists beside a purge, times", slower, MAX_SLOWDOWN),
        ("lists later on, times", flat, MAX_SLOWDOWN),
        ("transactions, p99, ms", p99, MAX_LOCKED_MS),
    )
    for name, value, most in results:
        print(f"{name:30} {value:8.3f}  <= {most}  {'ok' if value <= most else 'MISSED'}")
    return all(value <= most for _name, value, most in results)


def _ms(times: list[float], percent: int) -> float:
    """Return a percentile of times, in milliseconds."""
    return 1_000 * sorted(times)[min(len(times) * percent // 100, len(times) - 1)]


def _uploads(service: InMemoryService, queries: SqlJobQueries, seconds: float) -> tuple[float, float]:
    """Upload for some time; return the rate per second, and the median duration of a list in milliseconds."""
    end = time.monotonic() + seconds
    lists: list[float] = []

    def upload() -> int:
        count = 0
        while time.monotonic() < end:
            service.upload(project="bench")
            count += 1
        return count

    def read() -> None:
        while time.monotonic() < end:
            begin = time.perf_counter()
            queries.page(ANONYMOUS, JobFilter(limit=LISTED, project_id=ProjectId(3)))
            lists.append((time.perf_counter() - begin) * 1_000)
            time.sleep(0.02)

    reader = Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(THREADS) as threads:
        count = sum(threads.map(lambda _n: upload(), range(THREADS)))
    reader.join()
    return count / seconds, statistics.median(lists)


@contextmanager
def _purging(url: str, until: datetime, *, at_once: bool) -> Iterator[dict]:
    """Have another process purge while the context lasts."""
    command = [sys.executable, "-m", "tests.benchmarks.bench_retention", "--purge", url, until.isoformat()]
    command += ["--at-once"] if at_once else []
    outcome: dict = {}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        print(file=child.stdin, flush=True)
        yield outcome
        print(file=child.stdin, flush=True)
        outcome.update(json.loads(child.stdout.readline()))


def _purge(url: str, until: datetime, *, at_once: bool) -> None:
    """Purge from the first line of the input to the second."""
    measurements = MemoryMeasurements()
    unit_of_work = TimedUnitOfWork(create_engine(url))
    clock = LaterClock(until)
    rules = RetentionRules(default=Retention(jobs_days=DAYS), orphans_kept=timedelta(hours=6))
    apply_retention = ApplyRetention(
        unit_of_work=unit_of_work,
        orphans=OrphanSweep(unit_of_work, {}, clock, rules.orphans_kept),
        clock=clock,
        ids=Uuid7Generator(),
        rules=rules,
        measurements=measurements,
    )
    unit_of_work.read(lambda transaction: transaction.tenants.all())  # opens a connection
    print("ready", flush=True)
    sys.stdin.readline()
    worker = Thread(target=lambda: apply_retention(at_once=at_once))
    worker.start()
    sys.stdin.readline()
    apply_retention.stop()
    worker.join()
    durations = measurements.observed[PURGE_DURATION, ()]
    outcome = {"jobs": apply_retention.removed["jobs"], "durations": durations, "taken": unit_of_work.taken}
    print(json.dumps(outcome), flush=True)


def _compare_partitions(url: str, size: int) -> None:
    """Print the durations of reads from a table of jobs, and from a table partitioned by time."""
    engine = long_timeouts(create_engine(url))
    ends = [BEGIN + timedelta(seconds=size * n / _PARTITIONS) for n in range(1, _PARTITIONS + 1)]
    parts = ", ".join(f"PARTITION p{n} VALUES LESS THAN ('{end:%F %T}')" for n, end in enumerate(ends))
    with engine.begin() as connection:
        for statement in (
            "CREATE TABLE jobs_whole LIKE jobs",
            "CREATE TABLE jobs_in_parts LIKE jobs",
            "ALTER TABLE jobs_in_parts DROP PRIMARY KEY, ADD PRIMARY KEY (job_id, created_at)",
            f"ALTER TABLE jobs_in_parts PARTITION BY RANGE COLUMNS(created_at) ({parts})",
        ):
            connection.exec_driver_sql(statement)
    with engine.begin() as connection:
        for table in ("jobs_whole", "jobs_in_parts"):
            old = f"SELECT * FROM jobs WHERE created_at < '{ends[-1]:%F %T}'"  # noqa: S608 - no input
            _timed(connection, f"{table}: filled", f"INSERT INTO {table} {old}", 1)
    with engine.begin() as connection:
        (known,) = connection.execute(sa.select(jobs.c.job_id).limit(1)).one()
        for table in ("jobs_whole", "jobs_in_parts"):
            for name, condition in (
                ("by its id", f"job_id = '{known}'"),
                ("newest of a project", "project_id = 3"),
                ("newest of a status", "project_id = 3 AND status = 'CANCELLED'"),
                ("of a status that none has", "project_id = 3 AND status = 'RUNNING'"),
            ):
                order = "ORDER BY created_at DESC, job_id DESC LIMIT 50"
                page = f"SELECT job_id FROM {table} WHERE {condition} {order}"  # noqa: S608 - no input
                _timed(connection, f"{table}: {name}", page, 300)
    with engine.begin() as connection:
        _timed(connection, "a partition dropped", "ALTER TABLE jobs_in_parts DROP PARTITION p1", 1)
        rows = f"created_at >= '{ends[0]:%F %T}' AND created_at < '{ends[1]:%F %T}'"
        _timed(connection, "the same rows deleted", f"DELETE FROM jobs_whole WHERE {rows}", 1)  # noqa: S608 - times
    engine.dispose()


def _timed(connection: sa.Connection, name: str, statement: str, times: int) -> None:
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        result = connection.exec_driver_sql(statement)
        if result.returns_rows:
            result.all()
        taken.append((time.perf_counter() - begin) * 1_000)
    print(f"{name:36} {statistics.median(taken):10.3f} ms", flush=True)


if __name__ == "__main__":
    main()
