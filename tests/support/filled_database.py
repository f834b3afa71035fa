"""Databases with any number of ended jobs, loaded in bulk."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.engine import long_timeouts
from adapters.sql.mapping import STORED_STATES, execution_values, job_values, result_values, tag_values
from adapters.sql.migrate import SqlSchema
from adapters.sql.tables import executions, job_tags, jobs, projects
from adapters.sql.types import Guid, UtcDateTime
from domain.execution import Execution, ExecutionResult, Output, ResourceUsage
from domain.execution_lifecycle import ExecutionState
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.submission import JobSpec
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId
from tests.support.samples import the_project

PROJECTS = 10
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
_CHUNK = 5_000
# The outcomes of each hundred consecutive jobs. One job in a hundred is in Rust, and one in ten has tags.
OUTCOMES = (JobStatus.SUCCESS,) * 90 + (JobStatus.FAILED,) * 6 + (JobStatus.CANCELLED,) * 4
_KEYS = frozenset({"code_key", "log_key"})
_REASONS = {JobStatus.FAILED: Reason.NONZERO_EXIT, JobStatus.CANCELLED: Reason.CANCELLED}


Ended: TypeAlias = tuple[Job, Execution]

# The number of jobs that are generated here; the server copies them at about a million per minute, several
# times as fast.
_COPIED = 50_000
# The id of a copy begins with the copy's number, so that its rows are adjacent, as rows of the same time are.
# The second group marks it as a copy, so its ids differ from all generated ones.
_COPY_ID = "concat('{number:04x}', substr({id}, 5, 5), 'c0b7', substr({id}, 14))"
_COPIES_AT_ONCE = (
    "SET SESSION unique_checks = 0",
    "SET SESSION foreign_key_checks = 0",
    "SET SESSION innodb_lock_wait_timeout = 3600",
)


def fill(engine: sa.Engine, size: int, ended_job: Callable[[int], Ended] | None = None) -> None:
    """Store ended jobs, one for each second."""
    SqlSchema(engine).upgrade()
    filling = long_timeouts(engine)
    _fill(filling, size, ended_job or usual_job)
    filling.dispose()


def fill_by_copies(engine: sa.Engine, size: int, copied: int = _COPIED) -> None:
    """Store jobs as `fill` does, on MariaDB or MySQL, where the server copies the first ones for the rest.

    Copies have different ids, and follow the first ones in time. The size is rounded up to whole copies.
    """
    fill(engine, min(size, copied))
    filling = long_timeouts(engine)
    with filling.connect() as connection:
        for statement in _COPIES_AT_ONCE:
            connection.exec_driver_sql(statement)
        for table in (jobs, job_tags, executions):
            rows = f"SELECT * FROM {table}"  # noqa: S608 - no input
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE first_{table} AS {rows}")
        for number in range(1, -(-size // copied)):
            for table in (jobs, job_tags, executions):
                connection.execute(_copy(table, number, number * copied))
            connection.commit()
    filling.dispose()


def _copy(table: sa.Table, number: int, later_s: int) -> sa.Insert:
    """Return the statement that copies the first rows with different ids and keys and later times."""
    first = table.to_metadata(sa.MetaData(), name=f"first_{table}")

    def copied(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
        own = first.c[column.name]
        if isinstance(column.type, Guid):
            return sa.literal_column(_COPY_ID.format(number=number, id=own))
        if isinstance(column.type, UtcDateTime):
            return sa.func.timestampadd(sa.text("SECOND"), later_s, own)
        return sa.func.concat(f"{number}/", own) if column.name in _KEYS else own

    names = [column.name for column in table.columns]
    rows = sa.select(*(copied(column) for column in table.columns)).order_by(*first.primary_key.columns)
    return sa.insert(table).from_select(names, rows)


def _fill(engine: sa.Engine, size: int, ended_job: Callable[[int], Ended]) -> None:
    with engine.begin() as connection:
        rows = [
            {
                "project_id": n + 1,
                "name": f"p-{n}",
                "live_name": f"p-{n}",
                "status": "ACTIVE",
                "created_at": BEGIN,
            }
            for n in range(PROJECTS)
        ]
        connection.execute(sa.insert(projects), rows)
    for first in range(0, size, _CHUNK):
        chunk = [ended_job(number) for number in range(first, min(first + _CHUNK, size))]
        with engine.begin() as connection:
            connection.execute(sa.insert(jobs), [job_values(job) for job, _execution in chunk])
            tags = [row for job, _execution in chunk for row in tag_values(job)]
            connection.execute(sa.insert(job_tags), tags)
            connection.execute(sa.insert(executions), [_ended_execution(*pair) for pair in chunk])


def job_id(number: int) -> JobId:
    """Return the id of a job. Ids are in no order, as with many processes."""
    return JobId(UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)))


def half_of_all(number: int) -> Ended:
    """Return a job of one of two kinds, by turns, which differ in every property that filters use."""
    if number % 2:
        return _job(number, ProjectId(1), "python", JobStatus.SUCCESS, {"env": "prod", "run": "7"})
    return _job(number, ProjectId(2), "node", JobStatus.FAILED, {"env": "test", "team": "a"})


def usual_job(number: int, now: datetime | None = None) -> Ended:
    """Return the job of a number, by default with its own time."""
    return _job(
        number,
        ProjectId(number // len(OUTCOMES) % PROJECTS + 1),
        "rust" if number % 100 == 2 else "python",
        OUTCOMES[number % len(OUTCOMES)],
        {"env": "prod", "team": "a"} if number % 10 == 2 else {},
        now,
    )


def _job(
    number: int,
    project_id: ProjectId,
    language: str,
    status: JobStatus,
    tags: Mapping[str, str],
    now: datetime | None = None,
) -> Ended:
    now = now or BEGIN + timedelta(seconds=number)
    spec = JobSpec(
        code_key=ObjectKey(f"p/{number}.py"),
        language=LANGUAGES[language],
        limits=STANDARD_LIMITS.resolve({}),
        tags=tags,
    )
    pending, _events = Job.submit(job_id(number), the_project(project_id), spec, now)
    running, execution, _events = pending.start(ExecutionId(job_id(number + (1 << 40))), None, now)
    result = ExecutionResult(
        status=status,
        reason=_REASONS.get(status),
        stdout=Output.of("Hello, world!\n"),
        exit_code=0,
        resource=ResourceUsage(execution_time_ms=12, cpu_time_ms=10, cpu_percent=83.3, memory_mb=9.5),
        log_key=ObjectKey(f"logs/{number}.json"),
    )
    return _ended(running, execution, result, now)


def _ended(job: Job, execution: Execution, result: ExecutionResult, now: datetime) -> Ended:
    if result.status is JobStatus.CANCELLED:
        job, _events = job.cancel(now)
    else:
        job, _events = job.complete(execution.id, result, now)
    return job, replace(execution, ended_at=now, result=result)


def _ended_execution(job: Job, execution: Execution) -> dict[str, object]:
    assert execution.result is not None
    return {
        **execution_values(job, execution),
        **result_values(execution.result),
        "state": STORED_STATES[ExecutionState.ENDED],
        "ended_at": execution.ended_at,
    }
