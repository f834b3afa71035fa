"""Control groups of version 2 on a machine that systemd has started: run in the virtual machine, as root."""

import os
import pwd
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.processes import eventually
from tests.support.sandbox import CGROUPS_REQUIRED

_ROOT = Path("/sys/fs/cgroup")
# Without the archive of the Java compiler, which takes minutes beside restless neighbours.
_ENGINE = """
import sys, tempfile
from contextlib import closing
from pathlib import Path
from adapters.local_engine.engine import LocalEngine
from tests.contract.engine_kit.harness import EngineUnderTest, Program
from tests.support.memory.object_store import MemoryObjectStore

store = MemoryObjectStore()
with tempfile.TemporaryDirectory() as work:
    engine = LocalEngine(store, Path(work), isolated=True)
    engine.start()
    print(engine.describe().control_groups, flush=True)
    with closing(EngineUnderTest(engine, store)) as kit:
        for line in sys.stdin:
            result = kit.run(Program(code=line, limits={"memory_mb": 64})).result
            print(result.reason or result.stdout.text.strip(), result.resource.memory_mb, flush=True)
    engine.stop()
"""
# A neighbour that starts others all the time, and one that only waits.
_RESTLESS = "while :; do /bin/true; done"
_PEAK = "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
_GREEDY = "x = bytearray(500_000_000)\n"


class Engine:
    """An engine in a process of its own, which starts in a given group and ends with its stdin."""

    def __init__(self, group: Path, *become: str) -> None:
        script = f'echo $$ > {group}/cgroup.procs && exec "$@"'
        self._process = subprocess.Popen(
            ["sh", "-c", script, "sh", *become, sys.executable, "-c", _ENGINE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={name: value for name, value in os.environ.items() if name != CGROUPS_REQUIRED},
        )

    def says(self) -> str:
        return self._process.stdout.readline().strip()

    def run(self, program: str) -> str:
        """Run a program of one line; return its reason, or its output if it has none."""
        return self._run(program)[0]

    def memory_of(self, program: str) -> tuple[str, float]:
        """Run a program; return its reason, or its output if it has none, and its peak in MiB."""
        outcome, measured = self._run(program)
        return outcome, float(measured)

    def _run(self, program: str) -> list[str]:
        self._process.stdin.write(program)
        self._process.stdin.flush()
        return self.says().split()

    def stop(self) -> None:
        self._process.communicate(timeout=60)
        assert self._process.returncode == 0

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


def _present(group: Path) -> set[int]:
    return {int(pid) for pid in (group / "cgroup.procs").read_text().split()}


def _below(group: Path) -> list[str]:
    return [path.name for path in group.iterdir() if path.is_dir()]


@pytest.fixture
def group():
    """A group of this machine's, as systemd makes them, for this test alone."""
    group = _ROOT / f"test-{os.getpid()}-{time.monotonic_ns()}"
    group.mkdir()
    yield group
    (group / "cgroup.kill").write_text("1")
    for path in sorted(group.rglob("*/"), reverse=True):
        _remove(path)
    _remove(group)


def _remove(group: Path) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.01)
    pytest.fail(f"{group} is in use")


@pytest.fixture
def neighbour(group):
    """Something else that runs in the group, as the shell does that a service is started from."""
    started = []

    def start(script: str) -> int:
        process = subprocess.Popen(["sh", "-c", f"echo $$ > {group}/cgroup.procs; {script}"])
        started.append(process)
        while process.pid not in _present(group):
            time.sleep(0.01)
        return process.pid

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_an_engine_that_shares_its_group_moves_all_and_moves_them_back(group, neighbour):
    waits = neighbour("exec sleep 600")

    engine = Engine(group)

    assert engine.says().startswith(f"version 2, in {group}/service_server-")
    assert _present(group) == set()
    assert waits in _present(group / "service_server-main")
    assert engine.memory_of(_GREEDY) == ("memory_limit", pytest.approx(64, rel=0.1))
    told_kb, measured = engine.memory_of(_PEAK)
    assert measured == pytest.approx(int(told_kb) / 1024, rel=0.2)
    engine.stop()
    assert (_below(group), _present(group)) == ([], {waits})


def test_several_that_start_at_once_share_a_group_whose_processes_start_others(group, neighbour):
    restless = [neighbour(_RESTLESS) for _ in range(3)]

    engines = [Engine(group) for _ in range(3)]

    assert all(engine.says().startswith("version 2") for engine in engines)
    assert [engine.run("print(1)\n") for engine in engines] == ["1"] * 3
    engines[0].stop()
    assert engines[1].run(_GREEDY) == "memory_limit"
    for engine in engines[1:]:
        engine.stop()
    assert _below(group) == []
    assert set(restless) <= _present(group)


def test_what_a_killed_engine_left_is_taken_over_and_removed(group, neighbour):
    waits = neighbour("exec sleep 600")
    killed = Engine(group)
    killed.says()
    killed.kill()

    engine = Engine(group / "service_server-main")

    assert engine.says().startswith(f"version 2, in {group}/service_server-")
    assert len(_below(group)) == 2
    engine.stop()
    assert _below(group) == []
    assert eventually(lambda: _present(group) == {waits})  # the killed engine's supervisor ends by itself


def test_an_ordinary_user_has_them_where_they_are_delegated_and_is_told_how_where_not(group):
    user = pwd.getpwnam("daemon")
    become = ("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups")
    refused = Engine(group, *become)
    said = refused.says()
    refused.stop()
    for path in (group, group / "cgroup.procs", group / "cgroup.subtree_control"):
        os.chown(path, user.pw_uid, user.pw_gid)

    engine = Engine(group, *become)

    assert said.startswith("not used: ")
    assert "as root, start one with 'loginctl enable-linger daemon', or set Delegate=yes" in said
    assert engine.says().startswith("version 2")
    assert engine.run(_GREEDY) == "memory_limit"
    engine.stop()
    assert _below(group) == []


def test_a_process_that_cannot_be_moved_leaves_all_as_it_was(group, neighbour):
    waits = neighbour("exec sleep 600")

    engine = Engine(group, "unshare", "--pid", "--fork", "--mount-proc")

    assert engine.says().startswith("not used: a process of another process namespace shares")
    assert engine.run("print(1)\n") == "1"
    engine.stop()
    assert (_below(group), _present(group)) == ([], {waits})


def test_a_service_of_systemd_has_them_and_leaves_nothing():
    start = [
        *("systemd-run", "--wait", "--pipe", "--quiet", "--collect", f"--working-directory={Path.cwd()}"),
        *("--setenv=PYTHONDONTWRITEBYTECODE=1", f"--setenv=PYTHONPATH={Path.cwd()}"),
        *("sh", "-c", 'echo "$1" | "$2" -c "$3"; cat /proc/self/cgroup', "sh"),
        *("print(1)", sys.executable, _ENGINE),
    ]

    said = subprocess.run(
        start, stdout=subprocess.PIPE, text=True, timeout=90, check=True
    ).stdout.splitlines()

    assert said[0].startswith("version 2")
    assert said[1].split()[0] == "1"
    assert "service_server" not in said[2]
