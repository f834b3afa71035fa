from contextlib import closing

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest


@pytest.fixture
def kit(tmp_path):
    store = MemoryObjectStore()
    engine = LocalEngine(store, tmp_path / "work")
    engine.start()
    try:
        with closing(EngineUnderTest(engine, store)) as kit:
            yield kit
    finally:
        engine.stop()
