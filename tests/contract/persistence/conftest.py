import shutil

import pytest

from adapters.sql.engine import create_engine
from adapters.sql.migrate import SqlSchema
from tests.support.stores import MemoryStore, SqlStore

ADAPTERS = ("memory", "sqlite", "mariadb", "mysql")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory):
    """A file with all the tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.db"
    engine = create_engine(f"sqlite:///{path}")
    SqlSchema(engine).upgrade()
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def migrated_url(request):
    """The URL of a schema with all the tables, by the name of its server's fixture."""
    urls = {}

    def migrated(name):
        if name not in urls:
            urls[name] = request.getfixturevalue(name).create_schema("contract")
            engine = create_engine(urls[name])
            SqlSchema(engine).upgrade()
            engine.dispose()
        return urls[name]

    return migrated


@pytest.fixture(params=ADAPTERS)
def store(request, tmp_path):
    """An empty store of each adapter."""
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "sqlite":
        path = tmp_path / "store.db"
        shutil.copy(request.getfixturevalue("migrated_sqlite"), path)
        store = SqlStore(f"sqlite:///{path}")
    else:
        store = SqlStore(request.getfixturevalue("migrated_url")(request.param))
        store.empty()
    yield store
    store.close()
