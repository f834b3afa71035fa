"""Statements for drivers alone, for the rows that every command adds.

Their values are plain ones, as the driver takes them, by position: SQLAlchemy takes longer to process a row
than the database takes to store it.
"""

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite


def for_drivers(statement: sa.Insert, columns: Collection[str] | None = None) -> Mapping[str, str]:
    """Return an insertion of some columns, or of all, by the name of the database."""
    dialects = (sqlite.dialect(paramstyle="qmark"), mysql.dialect(paramstyle="format"))
    return {
        dialect.name: str(statement.compile(dialect=dialect, column_keys=columns)) for dialect in dialects
    }
