"""How the cost of lists and status reads grows with the number of jobs.

`python -m tests.benchmarks.bench_lists [--mariadb] [SIZE ...]`; the default is SQLite with 1,000 and 100,000.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.engine import create_engine
from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.mapping import ExecutionState, execution_values, job_values, result_values, tag_values
from adapters.sql.migrate import upgrade
from adapters.sql.tables import executions, job_tags, jobs, projects
from application.views import Cursor, JobFilter
from domain.execution import Execution, ExecutionResult, Output, ResourceUsage
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId
from tests.support import mariadb

SIZES = (1_000, 100_000)
PROJECTS = 10
LIMIT = 100
ROUNDS = 200
CHUNK = 5_000
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
# Of a hundred jobs, so many in a row end like this. One in a hundred is in Rust, one in ten has tags.
OUTCOMES = (JobStatus.SUCCESS,) * 90 + (JobStatus.FAILED,) * 6 + (JobStatus.CANCELLED,) * 4
REASONS = {JobStatus.FAILED: Reason.NONZERO_EXIT, JobStatus.CANCELLED: Reason.CANCELLED}


@dataclass(frozen=True, slots=True)
class Sample:
    """How long the calls took, in milliseconds, in order."""

    times: Sequence[float]

    @classmethod
    def of(cls, call: Callable[[int], object]) -> "Sample":
        """Time a call, after a few that warm it up."""
        for number in range(ROUNDS // 10):
            call(number)
        times = []
        for number in range(ROUNDS):
            begin = time.perf_counter()
            call(number)
            times.append((time.perf_counter() - begin) * 1_000)
        return cls(sorted(times))

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.times)

    @property
    def p99(self) -> float:
        """The time that 99 in 100 calls do not exceed."""
        return self.times[int(len(self.times) * 0.99)]


def main() -> None:
    """Fill a database of each size, time every read on each, and print the times and their ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mariadb", action="store_true", help="on a private MariaDB rather than on SQLite")
    parser.add_argument("sizes", metavar="SIZE", nargs="*", type=int, default=SIZES)
    arguments = parser.parse_args()
    results = {}
    for size in arguments.sizes:
        with _database(on_mariadb=arguments.mariadb) as engine:
            fill(engine, size)
            results[size] = measure(SqlJobQueries(engine), size)
    report(results)


def fill(engine: sa.Engine, size: int) -> None:
    """Store jobs that have ended, one a second."""
    upgrade(engine)
    with engine.begin() as connection:
        rows = [
            {"name": f"p-{n}", "live_name": f"p-{n}", "status": "ACTIVE", "created_at": BEGIN}
            for n in range(PROJECTS)
        ]
        connection.execute(sa.insert(projects), rows)
    for first in range(0, size, CHUNK):
        chunk = [_ended_job(number) for number in range(first, min(first + CHUNK, size))]
        with engine.begin() as connection:
            connection.execute(sa.insert(jobs), [job_values(job) for job, _execution in chunk])
            tags = [row for job, _execution in chunk for row in tag_values(job)]
            connection.execute(sa.insert(job_tags), tags)
            connection.execute(sa.insert(executions), [_ended_execution(*pair) for pair in chunk])


def measure(queries: SqlJobQueries, size: int) -> dict[str, Sample]:
    """Time each kind of read."""
    middle, _execution = _ended_job(size // 2)
    project = ProjectId(3)
    filters = {
        "list": JobFilter(limit=LIMIT),
        "list, from the middle": JobFilter(limit=LIMIT, cursor=Cursor(middle.created_at, middle.id)),
        "list of a project": JobFilter(limit=LIMIT, project_id=project),
        "list of a status": JobFilter(limit=LIMIT, statuses=frozenset({JobStatus.SUCCESS})),
        "list of two statuses": JobFilter(
            limit=LIMIT, statuses=frozenset({JobStatus.SUCCESS, JobStatus.FAILED})
        ),
        "list of a project and a status": JobFilter(
            limit=LIMIT, project_id=project, statuses=frozenset({JobStatus.SUCCESS})
        ),
        "list of a language": JobFilter(limit=10, language="rust"),
        "list of a project and a language": JobFilter(limit=LIMIT, project_id=project, language="python"),
        "list of a tag": JobFilter(limit=LIMIT, tags={"env": "prod"}),
        "list of a project and a tag": JobFilter(limit=10, project_id=project, tags={"env": "prod"}),
        "list of nothing": JobFilter(limit=LIMIT, statuses=frozenset({JobStatus.RUNNING, JobStatus.TIMEOUT})),
    }
    samples = {
        name: Sample.of(lambda _n, wanted=wanted: queries.page(wanted)) for name, wanted in filters.items()
    }
    samples["status"] = Sample.of(lambda n: queries.status(job_id(n * 7_919 % size)))
    return samples


def report(results: dict[int, dict[str, Sample]]) -> None:
    """Print a table: times at each size, and the ratio of the medians at the last and the first."""
    sizes = list(results)
    head = "".join(f"{size:>22,}" for size in sizes)
    print(f"{'milliseconds: median (p99)':<34}{head}{'ratio':>8}")
    for name in results[sizes[0]]:
        samples = [results[size][name] for size in sizes]
        cells = "".join(f"{f'{sample.median:.2f} ({sample.p99:.2f})':>22}" for sample in samples)
        print(f"{name:<34}{cells}{samples[-1].median / samples[0].median:>8.2f}")


@contextmanager
def _database(*, on_mariadb: bool) -> Iterator[sa.Engine]:
    with tempfile.TemporaryDirectory() as name:
        if not on_mariadb:
            engine = create_engine(f"sqlite:///{name}/bench.db")
            yield engine
            engine.dispose()
            return
        program = mariadb.find_server()
        if program is None:
            raise SystemExit("MariaDB is not installed")
        server = mariadb.start_server(program, Path(name))
        try:
            engine = create_engine(server.create_schema("bench"))
            yield engine
            engine.dispose()
        finally:
            server.stop()


def job_id(number: int) -> JobId:
    """Return the id of a job, of which others follow in no order, as those of many processes do."""
    return JobId(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)))


def _ended_job(number: int) -> tuple[Job, Execution]:
    now = BEGIN + timedelta(seconds=number)
    spec = JobSpec(
        code_key=ObjectKey(f"p/{number}.py"),
        language=LANGUAGES["rust" if number % 100 == 2 else "python"],
        limits=STANDARD_LIMITS.resolve({}),
        tags={"env": "prod", "team": "a"} if number % 10 == 2 else {},
    )
    pending, _events = Job.submit(
        job_id(number), ProjectId(number // len(OUTCOMES) % PROJECTS + 1), spec, now
    )
    running, execution, _events = pending.start(ExecutionId(job_id(number + (1 << 40))), None, now)
    status = OUTCOMES[number % len(OUTCOMES)]
    result = ExecutionResult(
        status=status,
        reason=REASONS.get(status),
        stdout=Output.of("Hello, world!\n"),
        exit_code=0,
        resource=ResourceUsage(execution_time_ms=12, cpu_time_ms=10, cpu_percent=83.3, memory_mb=9.5),
        log_key=ObjectKey(f"logs/{number}.json"),
    )
    return _ended(running, execution, result, now)


def _ended(job: Job, execution: Execution, result: ExecutionResult, now: datetime) -> tuple[Job, Execution]:
    if result.status is JobStatus.CANCELLED:
        job, _events = job.cancel(now)
    else:
        job, _events = job.complete(execution.id, result, now)
    return job, replace(execution, ended_at=now, result=result)


def _ended_execution(_job: Job, execution: Execution) -> dict[str, object]:
    assert execution.result is not None
    return {
        **execution_values(execution),
        **result_values(execution.result),
        "state": ExecutionState.ENDED.value,
        "ended_at": execution.ended_at,
    }


if __name__ == "__main__":
    main()
