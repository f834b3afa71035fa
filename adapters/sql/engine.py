"""The engine for the database that a URL names."""

import sqlalchemy as sa

from adapters.sql import mysql, sqlite
from adapters.sql.options import READ_ONLY, DatabaseOptions


def create_engine(url: str | sa.URL, options: DatabaseOptions | None = None) -> sa.Engine:
    """Build the engine for a database; nothing is connected to yet.

    Args:
        url: `sqlite:///PATH`, or `mysql+pymysql://USER:PASSWORD@HOST:PORT/SCHEMA`.
        options: How its connections are made and kept.
    """
    url = sa.make_url(url)
    make = sqlite.create_engine if url.get_backend_name() == "sqlite" else mysql.create_engine
    return make(url, options or DatabaseOptions())


def read_only(engine: sa.Engine) -> sa.Engine:
    """Return the same engine for transactions that only read, which never wait for SQLite's write lock."""
    return engine.execution_options(**{READ_ONLY: True})
