"""Read-only connection to the replaced service's database."""

from urllib.parse import quote

import pymysql
import sqlalchemy as sa
from pymysql.constants.FIELD_TYPE import DATETIME, NEWDATE, TIMESTAMP
from pymysql.converters import conversions

from adapters.sql.engine import OPTIONS, DatabaseOptions, pymysql_arguments
from application.errors import Conflict
from domain.catalogue.text import text

_READ_TIMEOUT_S = 3_600
# Times are read as text, so that invalid ones ("0000-00-00") are reported and do not abort the import.
_CONVERSIONS = {**conversions, DATETIME: str, TIMESTAMP: str, NEWDATE: str}


def open_source(target: sa.Engine, source: str | None) -> sa.Engine:
    """Return an engine for the database of a URL, a schema on the target's server, or the target itself.

    A URL without a user gets the target's user.

    Raises:
        Conflict: The URL names no database that can be read.
    """
    url = _url(target.url, source)
    if url.get_backend_name() == "sqlite":
        if source is not None:  # read-only, or else SQLite would create a missing file
            url = url.set(database=f"file:{quote(url.database or '')}", query={"mode": "ro", "uri": "true"})
        return sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    options: DatabaseOptions = target.get_execution_options()[OPTIONS]
    # Autocommit, because for an hour-long transaction the server would keep old versions of all changed rows.
    engine = sa.create_engine(
        url,
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        connect_args={**pymysql_arguments(options), "conv": _CONVERSIONS, "read_timeout": _READ_TIMEOUT_S},
    )
    sa.event.listen(engine, "connect", _read_only)
    return engine


def _read_only(connection: "pymysql.Connection[pymysql.cursors.Cursor]", _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _url(target: sa.URL, source: str | None) -> sa.URL:
    if source is None:
        return target
    if "://" not in source:
        if target.get_backend_name() == "sqlite":
            raise Conflict(text("import.no_server"))
        return target.set(database=source)
    try:
        url = sa.make_url(source)
    except sa.exc.ArgumentError:
        raise Conflict(text("import.wrong_source")) from None
    if url.get_backend_name() == "sqlite":
        return url
    if url.get_backend_name() not in {"mysql", "mariadb"} or not url.database:
        raise Conflict(text("import.source_kind"))
    if not url.username:
        url = url.set(username=target.username, password=target.password)
    return url.set(drivername="mysql+pymysql")
