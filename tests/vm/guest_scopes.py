"""Scopes that systemd delegates to an engine: run in the virtual machine, as root."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import eventually

_GROUPS = Path("/sys/fs/cgroup")
_PROJECT = Path(__file__).parents[2]
_ENGINE = """
import logging, os, sys, tempfile
from pathlib import Path
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import running_engine

logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
with tempfile.TemporaryDirectory() as work, running_engine(Path(work)) as kit:
    print(kit.engine.describe().control_groups, flush=True)
    print(os.getpid(), kit.engine.sandbox.supervisor.pid, flush=True)
    for line in sys.stdin:
        result = kit.run(Program(code=line, limits={"memory_mb": 64})).result
        print(result.reason or result.stdout.text.strip(), flush=True)
"""
_GREEDY = "x = bytearray(500_000_000)"
_UNIT = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect")
_PLACES = {
    "a unit without Delegate": (*_UNIT,),
    "an ssh session of root": ("ssh", "-q", "root@localhost"),
    "an ssh session of a user": ("ssh", "-q", "user@localhost"),
    "a unit of a user's manager": ("ssh", "-q", "user@localhost", "systemd-run", "--user", *_UNIT[1:]),
}


class Engine:
    """An engine in a process of its own, which ends with its stdin."""

    def __init__(self, *start: str) -> None:
        command = f"cd {_PROJECT} && exec {sys.executable} -c {shlex.quote(_ENGINE)}"
        words = ["sh", "-c", shlex.quote(command) if start[0] == "ssh" else command]
        self._process = subprocess.Popen(
            [*start, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.control_groups = self._process.stdout.readline().strip()
        self.pid, self.supervisor = map(int, self._process.stdout.readline().split())

    @property
    def scope(self) -> Path:
        return Path(self.control_groups.removeprefix("version 2, in ")).parent

    def run(self, program: str) -> str:
        """Run a program of one line; return its reason, or its output if it has none."""
        self._process.stdin.write(f"{program}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def stop(self) -> list[str]:
        """Stop it, and return the lines of its log but for the one of each ordinary user's engine."""
        _, log = self._process.communicate(timeout=60)
        assert self._process.returncode == 0
        return [line for line in log.splitlines() if "programs are only partly isolated" not in line]

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self._process.communicate(timeout=60)


def _group(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text().strip().removeprefix("0::")


def _left() -> list[Path]:
    return list(_GROUPS.rglob("service_server-*"))


@pytest.fixture(params=_PLACES.values(), ids=_PLACES.keys())
def start(request):
    yield request.param
    assert eventually(lambda: not _left())


def test_programs_are_in_a_scope_and_the_service_stays_where_it_is(start):
    engine = Engine(*start)

    assert engine.scope.name.startswith("service_server-")
    assert engine.scope.suffix == ".scope"
    assert Path(_group(engine.supervisor)).parent.name == engine.scope.name
    assert engine.scope.name not in _group(engine.pid)
    # systemd stops a unit that is not delegated for the first of these.
    assert [engine.run(_GREEDY), engine.run(_GREEDY), engine.run("print(1)")] == ["memory_limit"] * 2 + ["1"]
    assert engine.stop() == []
    assert _left() == []


def test_a_supervisor_that_was_killed_is_replaced_in_the_same_scope(start):
    engine = Engine(*start)
    os.kill(engine.supervisor, signal.SIGKILL)
    assert eventually(lambda: not engine.scope.exists())

    assert engine.run(_GREEDY) == "memory_limit"
    assert engine.scope.is_dir()
    engine.stop()


def test_a_service_that_was_killed_leaves_nothing(start):
    engine = Engine(*start)
    scope = engine.scope

    engine.kill()

    assert eventually(lambda: not scope.exists())
    for option in ([], ["--user", "--machine=user@.host"]):
        units = ["systemctl", *option, "list-units", "--all", "--no-legend", "service_server-*"]
        assert subprocess.run(units, stdout=subprocess.PIPE, text=True, check=False).stdout == ""


def test_a_unit_of_a_user_without_a_manager_learns_both_ways_out():
    engine = Engine(*_UNIT, "--uid=daemon")

    assert engine.control_groups.startswith("not used: systemd has not delegated ")
    assert "no systemd manager of the user daemon is running" in engine.control_groups
    assert "as root, start one with 'loginctl enable-linger daemon'" in engine.control_groups
    assert engine.control_groups.endswith("or set Delegate=yes in the service's systemd unit")
    assert engine.run("print(1)") == "1"
    assert engine.control_groups in "".join(engine.stop())


def test_a_unit_whose_control_groups_are_protected_is_told_in_the_log():
    engine = Engine(*_UNIT, "--property=Delegate=yes", "--property=ProtectControlGroups=yes")

    told = "Read-only file system; remove ProtectControlGroups= from the service's systemd unit"
    assert engine.control_groups.endswith(told)
    assert told in "".join(engine.stop())
