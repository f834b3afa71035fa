import shutil

import pytest

from tests.support.databases import migrated_schema
from tests.support.stores import SqlStore


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def empty_url(request, tmp_path):
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue(request.param).create_schema("integration")


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def full_url(request):
    """A database with all the tables, of which a test may change any."""
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_url")
    return migrated_schema(request.getfixturevalue(request.param), "integration")


@pytest.fixture
def sqlite_url(tmp_path, migrated_sqlite):
    """A SQLite database with all the tables."""
    path = tmp_path / "store.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"


@pytest.fixture(params=["mariadb", "mysql"])
def server(request):
    """A server of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def server_url(server, migrated_url):
    """A schema with all the tables, empty, on a server of each kind."""
    url = migrated_url(server)
    store = SqlStore(url)
    store.empty()
    store.close()
    return url


@pytest.fixture
def open_store():
    """Opens stores, and closes them in the end."""
    stores = []

    def open_store(url, options=None):
        stores.append(SqlStore(url, options))
        return stores[-1]

    yield open_store
    for store in stores:
        store.close()
