"""Connections to MySQL and MariaDB through PyMySQL, with as few round trips as are safe."""

import time
from datetime import datetime
from typing import Any, TypeAlias

import pymysql
import sqlalchemy as sa
from pymysql.constants.FIELD_TYPE import DATETIME
from pymysql.constants.SERVER_STATUS import SERVER_STATUS_IN_TRANS
from pymysql.converters import conversions
from sqlalchemy.pool import ConnectionPoolEntry, PoolResetState

from adapters.sql.options import DatabaseOptions

# A connection that was in use so lately is taken to be alive; if it is not, the transaction is run again.
_ALIVE_FOR_S = 5.0
# A connection that is closed fails at once.
_CLOSED_WITHIN_S = 0.5
_LAST_USED = "last_used"

PyMysqlConnection: TypeAlias = "pymysql.Connection[pymysql.cursors.Cursor]"


def create_engine(url: sa.URL, options: DatabaseOptions) -> sa.Engine:
    """Build an engine for a schema of a server."""
    engine = sa.create_engine(
        url,
        isolation_level="READ COMMITTED",
        connect_args=arguments(options),
        pool_recycle=options.recycle_s,
        pool_reset_on_return=None,  # `_reset` does it
        **options.for_engine(),
    )
    sa.event.listen(engine, "checkout", _ping_if_idle)
    sa.event.listen(engine, "checkin", _note_use)
    sa.event.listen(engine, "reset", _reset)
    return engine


def arguments(options: DatabaseOptions) -> dict[str, Any]:
    """Return PyMySQL's arguments for a connection, apart from the server and the user."""
    session = {
        "time_zone": "'+00:00'",
        "sql_mode": "'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'",
        "innodb_lock_wait_timeout": options.lock_wait_s,
    }
    arguments: dict[str, Any] = {
        "charset": "utf8mb4",
        "connect_timeout": options.connect_timeout_s,
        "read_timeout": options.read_timeout_s,
        "write_timeout": options.write_timeout_s,
        "init_command": "SET SESSION " + ", ".join(f"{name} = {value}" for name, value in session.items()),
        # PyMySQL parses times with a regular expression, which is most of the cost of a list.
        "conv": {**conversions, DATETIME: datetime.fromisoformat},
    }
    if options.tls_ca is not None:
        arguments |= {"ssl_ca": options.tls_ca, "ssl_verify_cert": True, "ssl_verify_identity": True}
    return arguments


def _ping_if_idle(connection: PyMysqlConnection, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Ping a connection that has been idle for a while.

    One that is closed is replaced. One that does not answer is the sign of a server that does not: another
    connection would only wait for it once more.
    """
    begin = time.monotonic()
    if begin - record.info.get(_LAST_USED, 0.0) < _ALIVE_FOR_S:
        return
    try:
        connection.ping(reconnect=False)
    except pymysql.err.Error as error:
        if time.monotonic() - begin < _CLOSED_WITHIN_S:
            raise sa.exc.DisconnectionError from error  # the pool gives another one
        raise sa.exc.OperationalError("ping", None, error) from error


def _note_use(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info[_LAST_USED] = time.monotonic()


def _reset(connection: PyMysqlConnection, _record: ConnectionPoolEntry, state: PoolResetState) -> None:
    """Roll back an open transaction, without asking the server whether anything is."""
    status: int = connection.server_status  # type: ignore[attr-defined]  # missing in types-pymysql
    if status & SERVER_STATUS_IN_TRANS and not state.transaction_was_reset:
        connection.rollback()
