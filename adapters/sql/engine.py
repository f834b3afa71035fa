"""Connections to the database that a URL names."""

import sqlite3
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

_READ_ONLY = "service_server_read_only"
_SQLITE_BUSY_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """How connections are made and kept. Times are seconds.

    Attributes:
        pool_size: How many connections a process has at most.
        pool_timeout_s: How long a caller waits for one of them.
        recycle_s: How old a connection grows.
        lock_wait_s: How long a statement waits for a row that another transaction holds.
        tls_ca: The file of the authority that signed the server's certificate; None means no TLS.
    """

    pool_size: int = 10
    pool_timeout_s: float = 2.0
    recycle_s: int = 1_800
    connect_timeout_s: int = 2
    read_timeout_s: int = 5
    write_timeout_s: int = 5
    lock_wait_s: int = 2
    tls_ca: str | None = None


def create_engine(url: str | sa.URL, options: DatabaseOptions | None = None) -> sa.Engine:
    """Build the engine for a database; nothing is connected to yet.

    Args:
        url: `sqlite:///PATH`, or `mysql+pymysql://USER:PASSWORD@HOST:PORT/SCHEMA`.
        options: How its connections are made and kept.
    """
    options = options or DatabaseOptions()
    url = sa.make_url(url)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, options)
    return _mysql(url, options)


def read_only(engine: sa.Engine) -> sa.Engine:
    """Return the same engine for transactions that only read, which never wait for SQLite's write lock."""
    return engine.execution_options(**{_READ_ONLY: True})


def _mysql(url: sa.URL, options: DatabaseOptions) -> sa.Engine:
    session = f"time_zone='+00:00', innodb_lock_wait_timeout={options.lock_wait_s}"
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": options.connect_timeout_s,
        "read_timeout": options.read_timeout_s,
        "write_timeout": options.write_timeout_s,
        "init_command": f"SET SESSION {session}, sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
    }
    if options.tls_ca is not None:
        arguments |= {"ssl_ca": options.tls_ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
    return sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        connect_args=arguments,
        pool_pre_ping=True,
        pool_recycle=options.recycle_s,
        hide_parameters=True,
        **_pool(options),
    )


def _sqlite(url: sa.URL, options: DatabaseOptions) -> sa.Engine:
    engine = sa.create_engine(
        url,
        poolclass=sa.QueuePool,
        # None keeps Python's sqlite3 from beginning transactions by itself: `_begin` does.
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": _SQLITE_BUSY_MS / 1000},
        hide_parameters=True,
        **_pool(options),
    )
    sa.event.listen(engine, "connect", _set_up)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _pool(options: DatabaseOptions) -> dict[str, Any]:
    return {"pool_size": options.pool_size, "max_overflow": 0, "pool_timeout": options.pool_timeout_s}


def _set_up(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in (
        f"busy_timeout = {_SQLITE_BUSY_MS}",
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: sa.Connection) -> None:
    """Take the write lock at once: a transaction that reads first and writes then would lose updates."""
    is_read_only = connection.get_execution_options().get(_READ_ONLY, False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
