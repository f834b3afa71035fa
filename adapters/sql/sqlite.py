"""Connections to SQLite: one writer at a time, who begins as one, and readers whom it does not disturb."""

import sqlite3
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from adapters.sql.options import READ_ONLY, DatabaseOptions

_PRAGMAS = ("journal_mode = WAL", "foreign_keys = ON")


def create_engine(url: sa.URL, options: DatabaseOptions) -> sa.Engine:
    """Build an engine for a database file."""
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        # None keeps Python's sqlite3 from beginning transactions by itself: `_begin` does.
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": float(options.lock_wait_s),
        },
        **options.for_engine(),
    )
    sa.event.listen(engine, "connect", _set_up((*_PRAGMAS, f"synchronous = {options.synchronous}")))
    sa.event.listen(engine, "begin", _begin)
    return engine


def _set_up(pragmas: Sequence[str]) -> Callable[[sqlite3.Connection, object], None]:
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    return set_up


def _begin(connection: sa.Connection) -> None:
    """Take the write lock at once: a transaction that reads first and writes then would lose updates."""
    is_read_only = connection.get_execution_options().get(READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
