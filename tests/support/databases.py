"""Databases with all the tables: made once in a run, copied or emptied for each test."""

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import sqlalchemy as sa

from adapters.sql.engine import create_engine
from adapters.sql.migrate import SqlSchema
from tests.support.database_server import DatabaseServer

# As the service names it.
_IN_DATA_DIR = "service-server.sqlite3"


def migrated(url: sa.URL) -> sa.URL:
    """Make the tables in an empty database; return its URL."""
    engine = create_engine(url)
    SqlSchema(engine).upgrade()
    engine.dispose()
    return url


@cache
def migrated_file() -> bytes:
    """Return the file of a SQLite database that has all the tables, and rows in none."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "migrated.db")
        migrated(sa.make_url(f"sqlite:///{path}"))
        return path.read_bytes()


def make_tables(data_dir: Path) -> None:
    """Give a data directory without a database one with all the tables, as a start does in a longer time."""
    path = data_dir / _IN_DATA_DIR
    if data_dir.is_dir() and not path.exists():
        path.write_bytes(migrated_file())


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with all the tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    path.write_bytes(migrated_file())
    return path


@pytest.fixture(scope="session")
def migrated_url() -> Callable[[DatabaseServer], sa.URL]:
    """The URL of a server's schema that has all the tables, and rows of earlier tests, to be emptied."""
    urls: dict[DatabaseServer, sa.URL] = {}

    def of(server: DatabaseServer) -> sa.URL:
        if server not in urls:
            urls[server] = migrated(server.create_schema("migrated"))
        return urls[server]

    return of


def database_settings(request: pytest.FixtureRequest, kind: str, schema: str) -> dict[str, object]:
    """Return the settings that have a service keep its jobs in an empty database of a kind."""
    if kind == "sqlite":
        return {}
    url = migrated(request.getfixturevalue(kind).create_schema(schema))
    return {
        "rds_host": url.host,
        "rds_port": url.port,
        "rds_dbname": url.database,
        "rds_username": url.username,
        "rds_password": url.password,
    }
