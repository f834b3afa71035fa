import shutil

import pytest

from adapters.sql.engine import create_engine
from tests.support.database_server import directory_in_memory
from tests.support.stores import PATIENT, MemoryStore, SqlStore

ADAPTERS = ("memory", "sqlite", "mariadb", "mysql")


@pytest.fixture(scope="package")
def engine_of():
    """The engine for a URL: one for all tests, as to compile a statement and to connect cost most."""
    engines = {}

    def engine_of(url):
        if url not in engines:
            engines[url] = create_engine(url, PATIENT)
        return engines[url]

    yield engine_of
    for engine in engines.values():
        engine.dispose()


@pytest.fixture(scope="package")
def sqlite_path():
    """The place of each test's own SQLite database."""
    with directory_in_memory() as directory:
        yield directory / "store.db"


@pytest.fixture(params=ADAPTERS)
def store(request, migrated_sqlite, migrated_url, engine_of, sqlite_path):
    """An empty store of each adapter."""
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "sqlite":
        url = f"sqlite:///{sqlite_path}"
        engine_of(url).dispose()  # its connections have the file of the test before
        for left in sqlite_path.parent.glob(f"{sqlite_path.name}*"):
            left.unlink()
        shutil.copy(migrated_sqlite, sqlite_path)
        store = SqlStore(url, engine=engine_of(url))
    else:
        url = migrated_url(request.getfixturevalue(request.param))
        store = SqlStore(url, engine=engine_of(url))
        store.empty()
    yield store
    store.close()
