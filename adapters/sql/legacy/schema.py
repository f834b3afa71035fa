"""Tables of the replaced service, found by the names of tables and columns.

The schema differs between deployments, so each table and each column has several possible names. The first
name that exists is used.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from adapters.sql.migrate import names_taken
from adapters.sql.tables import VERSION_TABLE, metadata
from application.errors import Conflict
from domain.catalogue.text import text

# The prefix of tables that were renamed to make room for this service's tables in the same database.
PREFIX = "legacy_"

_TABLES: Mapping[str, Sequence[str]] = {
    "projects": ("projects", "project"),
    "jobs": ("jobs", "job"),
    "executions": ("executions", "execution", "job_executions", "runs"),
    "results": ("results", "result", "execution_results", "execution_result", "job_results"),
}
_CREATED_AT = ("created_at", "created", "create_time", "created_time", "submitted_at")
_STARTED_AT = ("started_at", "started", "start_time")
_COMPLETED_AT = ("completed_at", "completed", "ended_at", "finished_at", "end_time", "finish_time")
_STATUS = ("status", "state", "job_status", "execution_status")
_RESULT: Mapping[str, Sequence[str]] = {
    "stdout": ("stdout", "output"),
    "stderr": ("stderr", "error_output"),
    "exit_code": ("exit_code", "return_code", "exit_status"),
    "cpu_percent": ("cpu_percent", "cpu_usage", "cpu_usage_percent", "cpu"),
    "memory_mb": ("memory_mb", "memory_usage_mb", "memory_usage", "memory"),
    "execution_time_ms": ("execution_time_ms", "execution_time", "duration_ms", "elapsed_ms"),
    "log_key": ("log_key", "log_s3_key", "s3_log_key", "log_path"),
    "error_message": ("error_message", "error"),
}
_ATTEMPT: Mapping[str, Sequence[str]] = {
    "id": ("execution_id", "result_id", "run_id", "id"),
    "job": ("job_id", "job"),
    "status": _STATUS,
    "created_at": _CREATED_AT,
    "started_at": _STARTED_AT,
    "completed_at": _COMPLETED_AT,
    "stdin": ("stdin", "input_data", "input"),
    **_RESULT,
}
_FIELDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "projects": {
        "id": ("project_id", "id"),
        "name": ("project", "project_name", "name", "title"),
        "description": ("description", "project_description"),
        "created_at": _CREATED_AT,
    },
    "jobs": {
        "id": ("job_id", "id", "uuid"),
        "project": ("project_id", "project", "project_name"),
        "code_key": ("code_key", "code_s3_key", "s3_key", "s3_code_key", "code_path"),
        "language": ("language", "lang", "runtime"),
        "status": _STATUS,
        "created_at": _CREATED_AT,
        "updated_at": ("updated_at", "updated", "update_time", "modified_at"),
        "started_at": _STARTED_AT,
        "completed_at": _COMPLETED_AT,
        "timeout_ms": ("timeout_ms", "timeout"),
        "function_name": ("function_name",),
        "description": ("description",),
        "stdin": ("stdin", "input_data", "input"),
        **_RESULT,
    },
    "executions": _ATTEMPT,
    "results": _ATTEMPT,
}
_NEEDED = {
    "projects": ("id", "name"),
    "jobs": ("id", "project", "code_key", "status"),
    "executions": ("job",),
    "results": ("job",),
}

_LOOKED_FOR_BY = {"jobs": "id", "executions": "job", "results": "job"}

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LegacyTable:
    """A table of the replaced service.

    Attributes:
        name: The table's name.
        table: The table, to select from.
        columns: The column of each field that the table has.
        instants: The fields with times that do not depend on the zone (MySQL's TIMESTAMP).
        unread: The names of the columns that match no field.
        unindexed: The name of the lookup column if it has no index.
    """

    name: str
    table: sa.TableClause
    columns: Mapping[str, sa.ColumnClause[Any]]
    instants: frozenset[str]
    unread: Sequence[str]
    unindexed: str | None

    def count(self, connection: sa.Connection) -> int:
        """Return the number of rows."""
        number: int = connection.execute(sa.select(sa.func.count()).select_from(self.table)).scalar_one()
        return number

    def pages(self, connection: sa.Connection, size: int) -> Iterator[list[Row]]:
        """Yield all rows in pages of `size`, sorted by id."""
        key, last = self.columns["id"], None
        while True:
            wanted = self.select().order_by(key).limit(size)
            rows = self._rows(connection, wanted if last is None else wanted.where(key > last))
            if not rows:
                return
            yield rows
            last = rows[-1]["id"]

    def of_jobs(self, connection: sa.Connection, ids: Sequence[object]) -> list[Row]:
        """Return the rows that belong to some jobs."""
        return self._rows(connection, self.select().where(self.columns["job"].in_(ids)))

    def count_orphans(self, connection: sa.Connection, jobs: "LegacyTable") -> int:
        """Return the number of rows that belong to no job."""
        of_job = sa.exists().where(jobs.columns["id"] == self.columns["job"])
        orphans = sa.select(sa.func.count()).select_from(self.table).where(sa.not_(of_job))
        number: int = connection.execute(orphans).scalar_one()
        return number

    def select(self) -> sa.Select[tuple[Any, ...]]:
        """Return the statement that selects every field under its name."""
        key = self.columns.get("id")
        columns = [column.label(field) for field, column in self.columns.items()]
        return sa.select(*columns) if key is None else sa.select(*columns).where(key.is_not(None))

    @staticmethod
    def _rows(connection: sa.Connection, statement: sa.Select[tuple[Any, ...]]) -> list[Row]:
        return [dict(row) for row in connection.execute(statement).mappings()]


@dataclass(frozen=True, slots=True)
class LegacySchema:
    """The tables of the replaced service. Results are in the jobs' table, in a separate one, or in both."""

    projects: LegacyTable
    jobs: LegacyTable
    executions: LegacyTable | None
    results: LegacyTable | None

    @property
    def tables(self) -> list[LegacyTable]:
        """The tables that exist."""
        found = (self.projects, self.jobs, self.executions, self.results)
        return [table for table in found if table is not None]

    @classmethod
    def find(cls, connection: sa.Connection) -> "LegacySchema":
        """Find the tables by their own names, or by their names after being set aside.

        Raises:
            Conflict: There are no such tables, or a table lacks a required column.
        """
        inspector = sa.inspect(connection)
        present = set(inspector.get_table_names())
        for prefix in (PREFIX,) if VERSION_TABLE in present else ("", PREFIX):
            found = {
                kind: next((prefix + name for name in names if prefix + name in present), None)
                for kind, names in _TABLES.items()
            }
            if found["projects"] and found["jobs"]:
                return cls(
                    _read_table(inspector, "projects", found["projects"]),
                    _read_table(inspector, "jobs", found["jobs"]),
                    _read_if_any(inspector, "executions", found["executions"]),
                    _read_if_any(inspector, "results", found["results"]),
                )
        raise Conflict(text("import.no_tables"))


def set_aside(engine: sa.Engine) -> list[str]:
    """Rename the replaced service's tables if some have this service's names; return their new names.

    Foreign keys with names of this service's are dropped.
    """
    with engine.begin() as connection:
        names = _names_in_the_way(connection)
        quote = connection.dialect.identifier_preparer.quote
        pairs = [(quote(name), quote(PREFIX + name)) for name in names]
        if not pairs:
            return []
        if connection.dialect.name == "sqlite":
            for old, new in pairs:
                connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")
        else:  # atomically
            _free_constraint_names(connection, names)
            renamed = ", ".join(f"{old} TO {new}" for old, new in pairs)
            connection.exec_driver_sql(f"RENAME TABLE {renamed}")
    return [PREFIX + name for name in names]


def _free_constraint_names(connection: sa.Connection, tables: Sequence[str]) -> None:
    """Drop the foreign keys of tables that have names of this service's: a schema has each name only once."""
    taken = {str(key.name) for table in metadata.tables.values() for key in table.foreign_key_constraints}
    quote, inspector = connection.dialect.identifier_preparer.quote, sa.inspect(connection)
    for table in tables:
        for key in inspector.get_foreign_keys(table):
            if (name := key["name"]) is not None and name.lower() in taken:
                connection.exec_driver_sql(f"ALTER TABLE {quote(table)} DROP FOREIGN KEY {quote(name)}")


def _names_in_the_way(connection: sa.Connection) -> list[str]:
    """Return the tables to rename: all tables to be imported, if some have names of this service's."""
    if not (taken := names_taken(connection)):
        return []
    known = {name for names in _TABLES.values() for name in names}
    return sorted({*taken, *known.intersection(sa.inspect(connection).get_table_names())})


def _read_table(inspector: sa.Inspector, kind: str, name: str) -> LegacyTable:
    present = {_plain(column["name"]): column for column in inspector.get_columns(name)}
    chosen: dict[str, Any] = {}
    for field, synonyms in _FIELDS[kind].items():
        taken = {column["name"] for column in chosen.values()}
        candidates = (present[_plain(synonym)] for synonym in synonyms if _plain(synonym) in present)
        column = next((column for column in candidates if column["name"] not in taken), None)
        if column is not None:
            chosen[field] = column
    for field in _NEEDED[kind]:
        if field not in chosen:
            names = ", ".join(_FIELDS[kind][field])
            raise Conflict(text("import.no_column", table=name, field=field, names=names))
    table = sa.table(name, *(sa.column(column["name"]) for column in chosen.values()))
    taken = {column["name"] for column in chosen.values()}
    return LegacyTable(
        name,
        table,
        {field: table.c[column["name"]] for field, column in chosen.items()},
        frozenset(field for field, column in chosen.items() if isinstance(column["type"], sa.TIMESTAMP)),
        [column["name"] for column in present.values() if column["name"] not in taken],
        None if kind == "projects" else _unindexed(inspector, name, chosen[_LOOKED_FOR_BY[kind]]["name"]),
    )


def _unindexed(inspector: sa.Inspector, table: str, column: str) -> str | None:
    first: set[str | None] = {*inspector.get_pk_constraint(table)["constrained_columns"][:1]}
    first |= {index["column_names"][0] for index in inspector.get_indexes(table)}
    return None if column in first else column


def _read_if_any(inspector: sa.Inspector, kind: str, name: str | None) -> LegacyTable | None:
    return None if name is None else _read_table(inspector, kind, name)


def _plain(name: str) -> str:
    """Return a column's name in a form for comparison, in which `createdAt` equals `created_at`."""
    return name.lower().replace("_", "")
