"""What boxes keep to when programs attack what holds them, or the machine around them changes."""

import os
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.processes import eventually
from tests.support.sandbox import require_bubblewrap

_ROOT = Path(__file__).parents[3]
# An engine on a machine whose mounts are shared, as systemd has them: something is mounted after its start.
_MOUNTS_LATER = """
import subprocess, sys
from contextlib import closing
from pathlib import Path
from adapters.local_engine.engine import LocalEngine
from adapters.memory.object_store import MemoryObjectStore
from tests.contract.engine_kit.harness import EngineUnderTest, Program
place, work = sys.argv[1:]
store = MemoryObjectStore()
engine = LocalEngine(store, Path(work), isolated=True)
engine.start()
subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", place], check=True)
with closing(EngineUnderTest(engine, store)) as kit:
    ended = kit.run(Program(code="import sys; open(f'{sys.argv[1]}/left', 'w')", args=(place,)))
    print(ended.result.stderr.text)
engine.stop()
"""


@contextmanager
def _boxes(directory):
    require_bubblewrap()
    store = MemoryObjectStore()
    engine = LocalEngine(store, directory / "work", isolated=True)
    engine.start()
    try:
        with closing(EngineUnderTest(engine, store)) as kit:
            yield kit
    finally:
        engine.stop()


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with _boxes(tmp_path_factory.mktemp("boxes")) as kit:
        yield kit


def test_streams_can_be_opened_by_their_names(kit):
    code = "cat /dev/stdin > /dev/stdout; echo err > /dev/stderr; echo own > /proc/self/fd/1"

    ended = kit.run(Program(code=code, language="bash", stdin="in\n"))

    assert (ended.stdout, ended.stderr) == (b"in\nown\n", b"err\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_what_is_mounted_later_is_in_no_box(tmp_path):
    require_bubblewrap()
    with TemporaryDirectory(dir="/usr/local", prefix="service-server-mount-") as place:
        Path(place).chmod(0o777)
        said = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "shared", "--"),
                *(sys.executable, "-c", _MOUNTS_LATER, place, str(tmp_path / "work")),
            ],
            cwd=_ROOT,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
        ).stdout

    assert "Read-only file system" in said


def _namespaces(kit):
    """How many mount namespaces a supervisor keeps."""
    number = 0
    for link in Path(f"/proc/{kit.engine._supervisor.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is closed at this moment
            number += str(link.readlink()).startswith("mnt:")
    return number


@pytest.mark.skipif(not os.access("/etc", os.W_OK), reason="only root may put files into /etc")
def test_a_file_of_the_system_that_is_replaced_is_seen_by_the_next_program(tmp_path, monkeypatch):
    with NamedTemporaryFile(dir="/etc", prefix="service-server-cache-") as file:
        cache, newer = Path(file.name), Path(f"{file.name}~")
        cache.chmod(0o644)
        cache.write_text("old")
        monkeypatch.setattr("adapters.local_engine.view._ETC", (file.name,))
        program = Program(code=f"cat {cache}", language="bash")

        with _boxes(tmp_path) as kit:
            assert kit.run(program).stdout == b"old"
            before = _namespaces(kit)
            newer.write_text("new")
            newer.chmod(0o644)
            newer.replace(cache)
            assert kit.run(program).stdout == b"new"
            assert eventually(lambda: _namespaces(kit) == before)
