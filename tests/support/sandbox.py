import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.local_engine.engine import LocalEngine
from application.ports.object_store import ObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest
from tests.support.java_archive import link_archive
from tests.support.memory.object_store import MemoryObjectStore

CGROUPS_REQUIRED = "SERVICE_SERVER_TEST_CGROUPS_REQUIRED"


@contextmanager
def isolated_engine(directory: Path, hidden: Sequence[Path] = ()) -> Iterator[EngineUnderTest]:
    """Run an engine that isolates programs, without a warm pool."""
    with running_engine(directory / "work", hidden=hidden) as kit:
        yield kit


@contextmanager
def running_engine(
    work: Path, *, isolated: bool = True, store: ObjectStore | None = None, **settings: Any
) -> Iterator[EngineUnderTest]:
    """Run an engine that works in a directory, with any of its settings."""
    if isolated:
        require_bubblewrap()
    store = store or MemoryObjectStore()
    link_archive(work)
    engine = LocalEngine(store, work, isolated=isolated, **settings)
    engine.start()
    try:
        require_cgroups(engine)
        with closing(EngineUnderTest(engine, store)) as kit:
            yield kit
    finally:
        engine.stop()


def require_cgroups(engine: LocalEngine) -> None:
    """Fail if an isolating engine has no control groups on a host that is prepared for them."""
    isolation = engine.sandbox.isolation
    if os.environ.get(CGROUPS_REQUIRED) == "true" and isolation.is_isolated:
        assert has_cgroups(engine), isolation.control_groups


def has_cgroups(engine: LocalEngine) -> bool:
    """Return whether an engine counts processes; without control groups, programs may not fork."""
    return engine.sandbox.isolation.cgroups is not None


def require_sight_of(pid: int) -> None:
    """Skip the test if this user may not inspect a process that has other user ids."""
    if not os.access(f"/proc/{pid}/fd", os.R_OK):
        pytest.skip("only root can look into a process that has subordinate user ids")


def require_bubblewrap() -> None:
    """Skip the test on a host without bubblewrap, but fail it in CI."""
    if shutil.which("bwrap") is None:
        message = "bubblewrap is not installed: apt-get install bubblewrap"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)


def version_of(kit: EngineUnderTest, language: str) -> str | None:
    """Return the version of a language's compiler or interpreter; None until it is known."""
    support = {each.language.name: each for each in kit.engine.languages()}
    return support[language].version
