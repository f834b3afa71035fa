import pytest

from adapters.sql.engine import create_engine
from adapters.sql.migrate import SqlSchema
from tests.support.stores import SqlStore


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def empty_url(request, tmp_path):
    """A database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return request.getfixturevalue(request.param).create_schema("integration")


@pytest.fixture
def sqlite_url(tmp_path):
    """A SQLite database with all the tables."""
    return migrated(f"sqlite:///{tmp_path / 'store.db'}")


@pytest.fixture(params=["mariadb", "mysql"])
def server(request):
    """A server of each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def server_url(server):
    """A schema with all the tables, on a server of each kind."""
    return migrated(server.create_schema("integration"))


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


def migrated(url):
    engine = create_engine(url)
    SqlSchema(engine).upgrade()
    engine.dispose()
    return url
