"""Databases for services of this process."""

import pytest

from adapters.sql.engine import create_engine
from adapters.sql.migrate import SqlSchema


def database_settings(request: pytest.FixtureRequest, kind: str, schema: str) -> dict[str, object]:
    """Return the settings that have a service keep its jobs in an empty database of a kind."""
    if kind == "sqlite":
        return {}
    url = request.getfixturevalue(kind).create_schema(schema)
    engine = create_engine(url)
    SqlSchema(engine).upgrade()
    engine.dispose()
    return {
        "rds_host": url.host,
        "rds_port": url.port,
        "rds_dbname": url.database,
        "rds_username": url.username,
        "rds_password": url.password,
    }
