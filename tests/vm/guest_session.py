"""The engine in a kind of session of the virtual machine, which SERVICE_SERVER_VM_SESSION names."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from adapters.local_engine.engine import LocalEngine
from application.errors import DependencyUnavailable
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore
from tests.vm.sessions import sessions

_SESSION = sessions()[os.environ["SERVICE_SERVER_VM_SESSION"]]
_GREEDY = "x = bytearray(500_000_000)"
_OF_MANY_PROCESSES = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        x = bytearray(40_000_000)
        time.sleep(60)
time.sleep(60)
"""
_FORKING = """
import os, time
children = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        children += 1
except OSError:
    print(children)
"""


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """An engine's description of its host, and the outcomes of programs there."""

    trouble: str | None
    isolated: bool = False
    control_groups: str = ""
    missing: Sequence[str] = ()
    within_limits: str = ""
    greedy: str = ""
    greedy_together: str = ""
    children: int = 0


def _host() -> tuple[str, list[str], list[str]]:
    """Return everything of the host that an engine could leave changed."""
    own = Path("/proc/self/cgroup").read_text().strip().rpartition("::")[2]
    groups = [str(path) for path in Path("/sys/fs/cgroup").rglob("service_server-*")]
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return own, groups, mounts


def main() -> None:
    """Start an engine, have it run programs, and write to stdout as JSON what is seen."""
    store = MemoryObjectStore()
    with tempfile.TemporaryDirectory() as work:
        engine = LocalEngine(store, Path(work), isolated=True)
        try:
            engine.start()
        except DependencyUnavailable as error:
            json.dump(asdict(_Seen(trouble=error.detail)), sys.stdout)
            return
        try:
            with closing(EngineUnderTest(engine, store)) as kit:
                json.dump(asdict(_seen(engine, kit)), sys.stdout)
        finally:
            engine.stop()


def _seen(engine: LocalEngine, kit: EngineUnderTest) -> _Seen:
    def run(code: str, **limits: int):
        return kit.run(Program(code=code, limits={"memory_mb": 64, "timeout_ms": 30_000} | limits)).result

    description = engine.describe()
    return _Seen(
        trouble=None,
        isolated=description.is_isolated,
        control_groups=str(description.control_groups),
        missing=list(map(str, description.missing)),
        within_limits=run("print(6 * 7)").stdout.text,
        greedy=run(_GREEDY).reason or "",
        greedy_together=run(_OF_MANY_PROCESSES, processes=16).reason or "",
        children=int(run(_FORKING, processes=8).stdout.text or 0),
    )


@dataclass(frozen=True, kw_only=True)
class _Visit:
    """A host before, with, and after an engine."""

    before: object
    seen: _Seen
    after: object


@pytest.fixture(scope="module")
def visit():
    before = _host()
    command = [sys.executable, "-m", __spec__.name]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=300, check=True)
    return _Visit(before=before, seen=_Seen(**json.loads(done.stdout)), after=_host())


@pytest.fixture
def seen(visit):
    return visit.seen


def test_it_isolates_programs_or_names_the_cause(seen):
    assert (seen.trouble is None) is _SESSION.isolated
    assert all(words in (seen.trouble or "") for words in _SESSION.trouble)
    assert seen.isolated is _SESSION.isolated


needs_isolation = pytest.mark.skipif(not _SESSION.isolated, reason="it isolates no programs here")


@needs_isolation
def test_a_program_within_its_limits_succeeds_and_one_beyond_them_does_not(seen):
    assert seen.within_limits == "42\n"
    # Its own words are no measurement.
    assert seen.greedy == ("memory_limit" if _SESSION.control_groups else "nonzero_exit")


@needs_isolation
def test_control_groups_are_used_or_their_remedy_is_named(seen):
    assert seen.control_groups.startswith("version 2, in ") is _SESSION.control_groups, seen.control_groups
    assert _SESSION.control_groups or "Delegate=yes" in seen.control_groups


@needs_isolation
def test_what_is_missing_is_named(seen):
    names = [guarantee.partition(":")[0] for guarantee in seen.missing]
    expected = {"control groups": _SESSION.control_groups, "a user id for each program": _SESSION.user_ids}
    assert names == [name for name, is_there in expected.items() if not is_there]


@needs_isolation
def test_processes_of_one_program_have_its_memory_together(seen):
    assert seen.greedy_together == "memory_limit"


@needs_isolation
def test_a_program_has_as_many_processes_as_its_limit_allows(seen):
    assert seen.children == 7


def test_nothing_is_left(visit):
    assert visit.after == visit.before


if __name__ == "__main__":
    main()
