import shutil

import pytest

from tests.support.stores import MemoryStore, SqlStore

ADAPTERS = ("memory", "sqlite", "mariadb", "mysql")


@pytest.fixture(params=ADAPTERS)
def store(request, migrated_sqlite, migrated_url):
    """An empty store of each adapter."""
    if request.param == "memory":
        store = MemoryStore()
    elif request.param == "sqlite":
        path = request.getfixturevalue("tmp_path") / "store.db"
        shutil.copy(migrated_sqlite, path)
        store = SqlStore(f"sqlite:///{path}")
    else:
        store = SqlStore(migrated_url(request.getfixturevalue(request.param)))
        store.empty()
    yield store
    store.close()
