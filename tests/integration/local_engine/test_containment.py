"""What boxes keep to when programs attack what holds them, or the machine around them changes."""

import os
import platform
import signal
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

import pytest

from adapters.local_engine.engine import LocalEngine
from adapters.local_engine.supervisor import processes
from adapters.local_engine.supervisor.meter import tree
from adapters.memory.object_store import MemoryObjectStore
from domain.job_lifecycle import Reason
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.processes import eventually
from tests.support.sandbox import require_bubblewrap

_ROOT = Path(__file__).parents[3]
# Has the first process of its box call prctl(PR_SET_PDEATHSIG, 0), and then pause for ever.
_TAKEOVER = """
import os, time
code = "b89d000000bf0100000031f631d24d31d24d31c00f05" "b8220000000f05ebf7"
where = int(open("/proc/1/syscall").read().split()[-1], 16)
with open("/proc/1/mem", "r+b", buffering=0) as memory:
    memory.seek(where)
    memory.write(bytes.fromhex(code))
if os.fork():  # its end wakes the first process
    os._exit(0)
time.sleep(0.3)
print("taken over", flush=True)
time.sleep(60)
"""

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


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the attack is in its machine language")
def test_a_box_whose_first_process_was_taken_over_dies_with_the_supervisor(tmp_path):
    with _boxes(tmp_path) as kit:
        running = kit.start(Program(code=_TAKEOVER, limits={"timeout_ms": 20_000}))
        assert running.recorder.has_output.wait(10)
        supervisor = kit.engine._supervisor.pid
        box = [pid for pid in tree(supervisor) if pid != supervisor]
        assert len(box) == len(["bubblewrap", "shell", "program"])

        os.kill(supervisor, signal.SIGKILL)

        try:
            assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in box))
        finally:
            for pid in box:
                processes.kill(pid)
        assert running.end.result(timeout=10).result.reason is Reason.ENGINE_ERROR


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
