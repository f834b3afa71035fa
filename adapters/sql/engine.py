"""Creates SQLAlchemy engines for SQLite and MySQL, and sets the options of their connections."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias, cast

import pymysql
import sqlalchemy as sa
from pymysql.constants.FIELD_TYPE import DATETIME
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from pymysql.converters import conversions
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mysql.pymysql import MySQLDialect_pymysql
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.engine.interfaces import DBAPIConnection, ExecutionContext
from sqlalchemy.pool import ConnectionPoolEntry

from adapters.sql.errors import is_read_only
from adapters.sql.tls import SharingConnection
from application.metrics import DATABASE_CONNECTIONS, DATABASE_CONNECTIONS_MAX
from application.ports.measurements import Sample

# The key of the `DatabaseOptions` among an engine's execution options.
OPTIONS = "service_server_options"
_SQLITE = "sqlite+immediate"
_MYSQL = "mysql+autocommit"
_LONG_TIMEOUT_S = 3_600
_SQLITE_PRAGMAS = ("journal_mode = WAL", "foreign_keys = ON")
# A connection used within this time is assumed to be alive. If it is not, the transaction is retried.
_ALIVE_FOR_S = 5.0
# A ping on a closed connection fails within this time.
_CLOSED_WITHIN_S = 0.5
_LAST_USED = "last_used"
_ONLY_READS = "only_reads"
_READS = ("SELECT", "(SELECT", "WITH", "SHOW", "EXPLAIN", "PRAGMA")

PyMysqlConnection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """Limits and settings of a process's database connections. Times are in seconds.

    Attributes:
        pool_size: The maximum number of connections of a process.
        pool_timeout_s: How long a caller waits for a connection from the pool.
        recycle_s: The age at which a connection is replaced.
        read_timeout_s: The timeout of a statement if the server hangs.
        lock_wait_s: How long a statement waits for a lock of another transaction.
        idle_transaction_s: The time after which MariaDB ends a transaction that receives no statement: its
            process hangs, and other transactions wait for its locks.
        idle_connection_s: The time after which MySQL, which has no such limit for transactions, closes a
            connection that receives no statement, in a transaction or not.
        tls_ca: The file of the CA certificate that signed the server's certificate. With None, the connection
            is encrypted if the server supports it, but the server's identity is not verified.
        password: Creates the password of each new connection, for passwords that expire soon. None to use the
            password of the URL.
        synchronous: `full` if SQLite waits at each commit until it is on disk. With `normal` it does not
            wait, and a power failure may undo the commits of the preceding minutes.
    """

    pool_size: int = 10
    pool_timeout_s: float = 2.0
    recycle_s: int = 1_800
    connect_timeout_s: int = 2
    read_timeout_s: int = 2
    write_timeout_s: int = 2
    lock_wait_s: int = 1
    idle_transaction_s: int = 20
    idle_connection_s: int = 60
    tls_ca: str | None = None
    password: Callable[[], str] | None = None
    synchronous: str = "full"


def create_engine(url: str | sa.URL, options: DatabaseOptions | None = None) -> sa.Engine:
    """Build the engine for a database, without connecting to it.

    Args:
        url: `sqlite:///PATH`, or `mysql+pymysql://USER:PASSWORD@HOST:PORT/SCHEMA`.
        options: The limits and settings of its connections.
    """
    url = sa.make_url(url)
    options = options or DatabaseOptions()
    common: dict[str, Any] = {
        "pool_size": options.pool_size,
        "max_overflow": 0,
        "pool_timeout": options.pool_timeout_s,
        "hide_parameters": True,  # keeps values out of error messages
        "execution_options": {OPTIONS: options},
    }
    make = _sqlite_engine if url.get_backend_name() == "sqlite" else _mysql_engine
    return make(url, options, common)


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Provide a read-only connection, which never waits for SQLite's write lock.

    On SQLite, it is in a transaction. On a server it is not, and each statement reads the latest commits.
    """
    with engine.connect() as connection:
        lent = connection.connection
        if isinstance(lent.driver_connection, sqlite3.Connection):
            lent.driver_connection.execute("BEGIN")
        lent.info[_ONLY_READS] = mark = object()
        try:
            yield connection
        finally:
            # If the connection was lost, so was its mark, and another thread may have set a new one.
            if lent.info.get(_ONLY_READS) is mark:
                lent.info.pop(_ONLY_READS, None)


def pool_samples(engine: sa.Engine) -> Iterator[Sample]:
    """Yield the metrics of an engine's connection pool."""
    pool = engine.pool
    if isinstance(pool, sa.QueuePool):
        yield Sample(DATABASE_CONNECTIONS, pool.checkedout(), ("in_use",))
        yield Sample(DATABASE_CONNECTIONS, pool.checkedin(), ("idle",))
        yield Sample(DATABASE_CONNECTIONS_MAX, pool.size())


def long_timeouts(engine: sa.Engine) -> sa.Engine:
    """Return an engine for the same database with timeouts of an hour, for changes to tables."""
    options: DatabaseOptions = engine.get_execution_options()[OPTIONS]
    return create_engine(
        engine.url,
        replace(
            options,
            pool_size=1,
            read_timeout_s=_LONG_TIMEOUT_S,
            write_timeout_s=_LONG_TIMEOUT_S,
            lock_wait_s=_LONG_TIMEOUT_S,
            idle_transaction_s=_LONG_TIMEOUT_S,
            idle_connection_s=_LONG_TIMEOUT_S,
        ),
    )


class _ReadsApart(DefaultDialect):
    """A dialect that rejects writes on a connection of `reading`, because a server would commit them."""

    def do_execute(
        self, cursor: object, statement: str, parameters: object, context: ExecutionContext | None = None
    ) -> None:
        """Execute a statement once."""
        _check(statement, context)
        super().do_execute(cursor, statement, parameters, context)  # type: ignore[no-untyped-call]

    def do_executemany(
        self, cursor: object, statement: str, parameters: object, context: ExecutionContext | None = None
    ) -> None:
        """Execute a statement for several rows."""
        _check(statement, context)
        super().do_executemany(cursor, statement, parameters, context)  # type: ignore[no-untyped-call]


def _check(statement: str, context: ExecutionContext | None) -> None:
    """Check that a statement on a read-only connection is a read."""
    if statement.startswith(_READS) or context is None:
        return
    if _ONLY_READS in context.root_connection.connection.info:
        raise RuntimeError("a write in a read-only transaction")


class SqliteDialect(_ReadsApart, SQLiteDialect_pysqlite):
    """SQLite with transactions that acquire the write lock at once, since reading first would lose updates.

    The dialect begins transactions itself. With an event listener on the engine instead, SQLAlchemy would
    look for listeners at each step of each statement.
    """

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: DBAPIConnection) -> None:
        """Begin a transaction, unless `reading` has begun one."""
        if not dbapi_connection.driver_connection.in_transaction:
            dbapi_connection.driver_connection.execute("BEGIN IMMEDIATE")


class MysqlDialect(_ReadsApart, MySQLDialect_pymysql):
    """MySQL with connections in autocommit mode, and with explicitly begun transactions.

    A read is therefore one round trip to the server. In a transaction, a rollback would follow.
    """

    supports_statement_cache = True

    def connect(self, *arguments: Any, **options: Any) -> DBAPIConnection:  # noqa: ANN401 - PyMySQL's own
        """Connect to the server."""
        return cast("DBAPIConnection", SharingConnection(*arguments, **options))

    def is_disconnect(self, e: Any, *connection_and_cursor: Any) -> bool:  # noqa: ANN401 - SQLAlchemy's own
        """Whether a connection is of no further use: it is lost, or its server has become read-only.

        After a failover, the address leads to another server, but the connections to the previous one, now a
        replica, stay open. SQLAlchemy replaces all connections, so on a database that stays read-only each
        refused write makes the process connect anew.
        """
        return super().is_disconnect(e, *connection_and_cursor) or is_read_only(e)

    def do_begin(self, dbapi_connection: DBAPIConnection) -> None:
        """Begin a transaction, unless the connection is read-only."""
        if _ONLY_READS not in dbapi_connection.info:
            dbapi_connection.driver_connection.begin()

    def do_rollback(self, dbapi_connection: DBAPIConnection) -> None:
        """Roll back the transaction if the connection's state shows that one is open."""
        if dbapi_connection.driver_connection.server_status & SERVER_STATUS_IN_TRANS:
            dbapi_connection.rollback()


registry.register(_SQLITE.replace("+", "."), __name__, SqliteDialect.__name__)
registry.register(_MYSQL.replace("+", "."), __name__, MysqlDialect.__name__)


def _sqlite_engine(url: sa.URL, options: DatabaseOptions, common: Mapping[str, Any]) -> sa.Engine:
    """Build an engine for a SQLite file: writers take turns, and readers are not blocked."""
    engine = sa.create_engine(
        url.set(drivername=_SQLITE),
        poolclass=sa.QueuePool,
        # The connection used last still caches the pages that were written last.
        pool_use_lifo=True,
        # None keeps Python's sqlite3 from beginning transactions; the dialect begins them.
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": float(options.lock_wait_s),
        },
        **common,
    )
    sa.event.listen(engine, "do_connect", _create_private)
    sa.event.listen(engine, "connect", _pragmas((*_SQLITE_PRAGMAS, f"synchronous = {options.synchronous}")))
    return engine


def _create_private(_dialect: object, _record: object, arguments: Sequence[str], _named: object) -> None:
    """Create a missing file with access for this user only; SQLite gives its other files the same mode.

    An existing file is not even opened: closing it would release the locks of this process's connections,
    and the next process to end would delete the write-ahead log that they use (sqlite.org, "How To Corrupt").
    """
    with suppress(OSError):  # it exists, or SQLite reports what is wrong with it
        os.close(os.open(arguments[0], os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _pragmas(pragmas: Sequence[str]) -> Callable[[sqlite3.Connection, object], None]:
    def set_up(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    return set_up


def _mysql_engine(url: sa.URL, options: DatabaseOptions, common: Mapping[str, Any]) -> sa.Engine:
    """Build an engine for a schema on a MySQL or MariaDB server, with as few round trips as are safe."""
    engine = sa.create_engine(
        url.set(drivername=_MYSQL),
        connect_args=pymysql_arguments(options),
        pool_recycle=options.recycle_s,
        **common,
    )
    if options.password is not None:
        sa.event.listen(engine, "do_connect", _with_password(options.password))
    sa.event.listen(engine, "connect", _read_what_is_committed)
    sa.event.listen(engine, "checkout", _ping_if_idle)
    sa.event.listen(engine, "checkin", _note_use)
    return engine


def _with_password(password: Callable[[], str]) -> Callable[..., None]:
    def set_password(_dialect: object, _record: object, _args: object, arguments: dict[str, Any]) -> None:
        arguments["password"] = password()

    return set_password


def pymysql_arguments(options: DatabaseOptions) -> dict[str, Any]:
    """Return PyMySQL's arguments for a connection, except for the server and the user."""
    session = {
        "time_zone": "'+00:00'",
        "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
        "innodb_lock_wait_timeout": options.lock_wait_s,
    }
    settings = ", ".join(f"{name} = {value}" for name, value in session.items())
    # Conditional comments: MariaDB executes the first, MySQL the second.
    idle = (
        f"/*M!100301 , idle_transaction_timeout = {options.idle_transaction_s} */"
        f"/*!80000 , wait_timeout = {options.idle_connection_s} */"
    )
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": options.connect_timeout_s,
        "read_timeout": options.read_timeout_s,
        "write_timeout": options.write_timeout_s,
        "init_command": f"SET SESSION {settings}{idle}",
        "autocommit": True,
        # PyMySQL parses times with a regular expression, which would be most of the cost of a list.
        "conv": {**conversions, DATETIME: datetime.fromisoformat},
    }
    if options.tls_ca is not None:
        arguments |= {"ssl_ca": options.tls_ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
    return arguments


def _read_what_is_committed(connection: PyMysqlConnection, _record: object) -> None:
    connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")


def _ping_if_idle(connection: PyMysqlConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ping a connection that has been idle for a while.

    A closed connection is replaced. If a connection does not answer in time, the server does not answer, and
    another connection would only wait again.
    """
    begin = time.monotonic()
    if begin - record.info.get(_LAST_USED, 0.0) < _ALIVE_FOR_S:
        return
    try:
        connection.ping(reconnect=False)
    except pymysql.err.Error as error:
        if time.monotonic() - begin < _CLOSED_WITHIN_S:
            raise sa.exc.DisconnectionError from error  # the pool replaces the connection
        raise sa.exc.OperationalError("ping", None, error) from error


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_LAST_USED] = time.monotonic()
