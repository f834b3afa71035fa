"""The engine for the database that a URL names."""

from dataclasses import replace

import sqlalchemy as sa

from adapters.sql import mysql, sqlite
from adapters.sql.options import OPTIONS, READ_ONLY, DatabaseOptions

_LONG_TIMEOUT_S = 3_600


def create_engine(url: str | sa.URL, options: DatabaseOptions | None = None) -> sa.Engine:
    """Build the engine for a database; nothing is connected to yet.

    Args:
        url: `sqlite:///PATH`, or `mysql+pymysql://USER:PASSWORD@HOST:PORT/SCHEMA`.
        options: The limits and settings of its connections.
    """
    url = sa.make_url(url)
    make = sqlite.create_engine if url.get_backend_name() == "sqlite" else mysql.create_engine
    return make(url, options or DatabaseOptions())


def read_only(engine: sa.Engine) -> sa.Engine:
    """Return the same engine for transactions that only read, which never wait for SQLite's write lock."""
    return engine.execution_options(**{READ_ONLY: True})


def long_timeouts(engine: sa.Engine) -> sa.Engine:
    """Return an engine for the same database whose statements may take an hour, as changes to tables can."""
    options: DatabaseOptions = engine.get_execution_options()[OPTIONS]
    return create_engine(
        engine.url,
        replace(
            options,
            pool_size=1,
            read_timeout_s=_LONG_TIMEOUT_S,
            write_timeout_s=_LONG_TIMEOUT_S,
            lock_wait_s=_LONG_TIMEOUT_S,
        ),
    )
