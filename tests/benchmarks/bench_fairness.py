"""The duration of a claim from different queues: one job, or 100,000 jobs of one tenant or of 1,000.

`python -m tests.benchmarks.bench_fairness [--waiting 100000]`, on SQLite and on a private MariaDB. Claims
from all queues alternate, so that other load on the host slows all of them. A claim from one tenant's long
queue may take 1.2 times as long as from a queue with one job; the other figures are only reported.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from adapters.sql.engine import create_engine, long_timeouts
from adapters.sql.mapping import execution_values, job_values, tenant_values
from adapters.sql.migrate import SqlSchema
from adapters.sql.tables import executions, jobs, projects, tenants
from adapters.sql.unit_of_work import SqlUnitOfWork
from domain.execution import Execution
from domain.job import Job
from domain.quota import Quota
from domain.tenant import TenantName
from domain.values import JobId
from tests.support import mariadb
from tests.support.callers import a_caller
from tests.support.memory.message_relay import MemoryMessageRelay
from tests.support.samples import NOW, a_spec, new_execution_id, the_project

CLAIMS = 300
_CHUNK = 5_000
LARGEST_RATIO = 1.2


@dataclass(frozen=True)
class Queue:
    """A queue to claim from: its executions, and their tenants, which may have a quota."""

    name: str
    waiting: int
    tenants: int = 1
    running: int | None = None


class Claims:
    """The claims from one queue in a separate database, and their durations in milliseconds."""

    def __init__(self, engine: sa.Engine, queue: Queue) -> None:
        self.queue = queue
        self.times: list[float] = []
        self._engine = engine
        self._unit_of_work = SqlUnitOfWork(engine, MemoryMessageRelay())
        self._last: TenantName | None = None
        _fill(engine, queue)

    @property
    def median_ms(self) -> float:
        """The median of the times."""
        return statistics.median(self.times)

    def take(self) -> None:
        """Time one claim, then make the execution wait again, untimed."""
        begin = time.perf_counter()
        (claimed,) = self._unit_of_work.run(
            lambda transaction: transaction.executions.claim_next("worker", 30, after=self._last)
        )
        self.times.append((time.perf_counter() - begin) * 1_000)
        with self._engine.begin() as connection:
            is_it = executions.c.execution_id == claimed.id
            tenant = connection.execute(sa.select(executions.c.tenant).where(is_it)).scalar_one()
            connection.execute(sa.update(executions).where(is_it).values(state="WAITING", claimed_by=None))
        self._last = TenantName(tenant)


def queues(waiting: int) -> Sequence[Queue]:
    """Return the queues. The others are compared with the first one."""
    return (
        Queue("one job", 1),
        Queue(f"{waiting:,} of one tenant", waiting),
        Queue("two tenants with one job each", 2, tenants=2),
        Queue(f"{waiting:,} of two tenants", waiting, tenants=2),
        Queue(f"{waiting:,} of 1,000 tenants", waiting, tenants=1_000),
        Queue(f"{waiting:,} of 1,000 tenants with a bound each", waiting, tenants=1_000, running=10),
    )


def measure(engines: Iterator[sa.Engine], waiting: int) -> Sequence[Claims]:
    """Claim from each queue in turn."""
    measured = [Claims(next(engines), queue) for queue in queues(waiting)]
    for _ in range(CLAIMS):
        for claims in measured:
            claims.take()
    return measured


def show(database: str, measured: Sequence[Claims]) -> bool:
    """Print the figures; return whether a claim from the long queue is within its limit."""
    table = Table("queue", "claim p50", "p95", "ratio", title=database)
    for claims in measured:
        p95 = statistics.quantiles(claims.times, n=20)[-1]
        ratio = claims.median_ms / measured[0].median_ms
        table.add_row(claims.queue.name, f"{claims.median_ms:.2f} ms", f"{p95:.2f} ms", f"{ratio:.2f}x")
    Console().print(table)
    return measured[1].median_ms <= LARGEST_RATIO * measured[0].median_ms


def _fill(engine: sa.Engine, queue: Queue) -> None:
    SqlSchema(engine).upgrade()
    filling = long_timeouts(engine)
    callers = [
        a_caller(f"tenant-{number}", quota=Quota(running=queue.running)) for number in range(queue.tenants)
    ]
    with filling.begin() as connection:
        connection.execute(sa.insert(tenants), [tenant_values(caller.tenant) for caller in callers])
        project = {"name": "p", "live_name": "p", "status": "ACTIVE", "created_at": NOW}
        connection.execute(sa.insert(projects), project)
    for first in range(0, queue.waiting, _CHUNK):
        made = [
            (callers[number % queue.tenants].tenant.name, _waiting())
            for number in range(first, min(first + _CHUNK, queue.waiting))
        ]
        with filling.begin() as connection:
            owned = [{**job_values(job), "tenant": owner.value} for owner, (job, _execution) in made]
            connection.execute(sa.insert(jobs), owned)
            waiting = [
                {**execution_values(job, execution), "tenant": owner.value}
                for owner, (job, execution) in made
            ]
            connection.execute(sa.insert(executions), waiting)
    filling.dispose()


def _waiting() -> tuple[Job, Execution]:
    pending, _events = Job.submit(JobId(uuid4()), the_project(1), a_spec(priority=9), NOW)
    return pending.start(new_execution_id(), None, NOW)[:2]


@contextmanager
def _sqlite() -> Iterator[Iterator[sa.Engine]]:
    with tempfile.TemporaryDirectory() as directory:
        yield (create_engine(f"sqlite:///{directory}/{number}.db") for number in range(100))


@contextmanager
def _mariadb() -> Iterator[Iterator[sa.Engine]]:
    program = mariadb.find_server()
    if program is None:
        sys.exit("MariaDB is not installed: apt-get install mariadb-server-core")
    with tempfile.TemporaryDirectory() as directory:
        server = mariadb.start_server(program, Path(directory), "--innodb-buffer-pool-size=512M")
        try:
            yield (create_engine(server.create_schema(f"fairness_{number}")) for number in range(100))
        finally:
            server.stop()


def main() -> None:
    """Measure on both databases and print; the exit code is 1 if the limit is exceeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=100_000, help="the length of the long queues")
    waiting: int = parser.parse_args().waiting
    are_within = []
    for name, open_database in (("SQLite", _sqlite), ("MariaDB", _mariadb)):
        with open_database() as engines:
            are_within.append(show(name, measure(engines, waiting)))
    if not all(are_within):
        sys.exit(f"the claim of a long queue takes more than {LARGEST_RATIO} times that of one job")


if __name__ == "__main__":
    main()
