from contextlib import closing

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest
from tests.support.sandbox import require_bubblewrap


@pytest.fixture(params=["plain", "isolated"])
def kit(request, tmp_path):
    isolated = request.param == "isolated"
    if isolated:
        require_bubblewrap()
    store = MemoryObjectStore()
    engine = LocalEngine(store, tmp_path / "work", isolated=isolated)
    engine.start()
    try:
        with closing(EngineUnderTest(engine, store)) as kit:
            yield kit
    finally:
        engine.stop()
