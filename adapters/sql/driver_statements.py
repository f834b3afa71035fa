"""Statements that bypass SQLAlchemy, for the rows that every command inserts.

They take plain positional values in the driver's format, because SQLAlchemy takes longer to process a row
than the database takes to store it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def for_drivers(statement: sa.Insert, columns: Collection[str] | None = None) -> Mapping[str, str]:
    """Compile an INSERT of some or all columns for each database, by the name of its dialect."""
    dialects = (sqlite.dialect(paramstyle="qmark"), mysql.dialect(paramstyle="format"))
    return {
        dialect.name: str(statement.compile(dialect=dialect, column_keys=columns)) for dialect in dialects
    }


def insert_many(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with the same columns in one call of the driver."""
    columns = tuple(rows[0])
    statement, processors = _insertion(table, columns, connection.dialect)
    connection.exec_driver_sql(
        statement,
        [
            # tuple() of a list is faster than of a generator.
            tuple(
                [
                    value if process is None else process(value)
                    for process, value in zip(processors, row.values(), strict=True)
                ]
            )
            for row in rows
        ],
    )


@cache
def _insertion(
    table: sa.Table, columns: tuple[str, ...], dialect: Dialect
) -> tuple[str, Sequence[Callable[[Any], Any] | None]]:
    """Return the INSERT of columns in this order, and the functions that convert their values."""
    in_order = sa.table(table.name, *(sa.column(name) for name in columns))
    statement = for_drivers(sa.insert(in_order))[dialect.name]
    return statement, [_processor(table.c[name].type, dialect) for name in columns]


def _processor(column: sa.types.TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    own = column if isinstance(column, TypeDecorator) else column.dialect_impl(dialect)
    return own.bind_processor(dialect)
