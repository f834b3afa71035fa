"""The database of the replaced service, by its contract, with odd rows among the usual ones."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

BEGIN = datetime(2024, 5, 1, 9, 0, 0)  # noqa: DTZ001 - the replaced service stored times without a time zone
USUAL = 450

_TABLES = (
    """CREATE TABLE projects (
        project_id INTEGER PRIMARY KEY, project VARCHAR(255), description TEXT, owner VARCHAR(20)
    )""",
    """CREATE TABLE jobs (
        job_id VARCHAR(64) PRIMARY KEY, project_id INTEGER, code_key VARCHAR(512), language VARCHAR(50),
        status VARCHAR(20), timeout_ms INTEGER, created_at {time}, updated_at {time}, started_at {time},
        completed_at {time}
    )""",
    """CREATE TABLE executions (
        execution_id VARCHAR(64), job_id VARCHAR(64), stdout TEXT, stderr TEXT, exit_code INTEGER,
        cpu_percent FLOAT, memory_mb FLOAT, execution_time_ms INTEGER, log_key VARCHAR(512), createdAt {time}
    )""",
)
_PROJECT = ("project_id", "project", "description", "owner")
PROJECTS = (
    (1, "demo", "First", "kim"),
    (2, "결제", None, None),
    (3, "2024", "all digits", None),
    (4, "a/b", "a slash", None),
    (7, " demo ", "the first one's name, once it is trimmed", None),
)


def job_id(number: int) -> str:
    """Return the id of a job."""
    return f"00000000-0000-4000-8000-{number:012x}"


# The difference of each odd job from a usual one; the job's number is its index.
ODD: tuple[Mapping[str, Any], ...] = (
    {"status": "PENDING", "started_at": None, "completed_at": None},
    {"status": "RUNNING", "completed_at": None},
    {"status": "completed", "language": "javascript"},
    {"status": "FAILED", "language": "cobol"},
    {"status": "CANCELLED", "started_at": None},
    {"status": "TIMEOUT", "timeout_ms": 5, "project_id": 2},
    {"project_id": 3},
    {"project_id": 7},
    {"completed_at": BEGIN - timedelta(days=1)},
    {"status": "EXPLODED"},
    {"project_id": 99},
    {"code_key": "../../etc/passwd"},
    {"created_at": None, "started_at": None, "updated_at": None, "completed_at": None, "status": "PENDING"},
    {"job_id": "17"},
    {"language": "한국어"},
)
SKIPPED = ("status", "project", "object key", "time", "UUID", "language")


def fill(engine: sa.Engine, usual: int = USUAL) -> None:
    """Create the tables and fill them."""
    time = "TEXT" if engine.dialect.name == "sqlite" else "DATETIME"
    with engine.begin() as connection:
        for table in _TABLES:
            connection.exec_driver_sql(table.format(time=time))
        _insert(connection, "projects", [dict(zip(_PROJECT, row, strict=True)) for row in PROJECTS])
        _insert(connection, "jobs", [{**_usual_job(n), **odd} for n, odd in enumerate(ODD)])
        _insert(connection, "jobs", [_usual_job(1_000 + n) for n in range(usual)])
        ran = [
            n
            for n, odd in enumerate(ODD)
            if odd.get("status") not in {"PENDING", "CANCELLED"} and "job_id" not in odd
        ]
        _insert(connection, "executions", [_execution(n) for n in (*ran, *range(1_000, 1_000 + usual))])
        _insert(connection, "executions", [{**_execution(4_711), "job_id": "of no job"}])


def _usual_job(number: int) -> dict[str, Any]:
    now = BEGIN + timedelta(seconds=number)
    return {
        "job_id": job_id(number),
        "project_id": 1,
        "code_key": f"demo/{job_id(number)}.py",
        "language": "python",
        "status": "SUCCESS",
        "timeout_ms": 10_000,
        "created_at": now,
        "updated_at": now,
        "started_at": now,
        "completed_at": now + timedelta(seconds=1),
    }


def _execution(number: int) -> dict[str, Any]:
    return {
        "execution_id": str(number),
        "job_id": job_id(number),
        "stdout": f"안녕 {number}\n",
        "stderr": "",
        "exit_code": 0,
        "cpu_percent": 1.5,
        "memory_mb": 20.25,
        "execution_time_ms": 12,
        "log_key": f"logs/{number}.json",
        "createdAt": BEGIN + timedelta(seconds=number),
    }


def _insert(connection: sa.Connection, table: str, rows: list[dict[str, Any]]) -> None:
    columns = [sa.column(name) for name in rows[0]]
    texts = [{k: str(v) if isinstance(v, datetime) else v for k, v in row.items()} for row in rows]
    connection.execute(sa.insert(sa.table(table, *columns)), texts)
