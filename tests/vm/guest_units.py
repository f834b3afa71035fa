"""The units of deploy/systemd, on a machine that systemd has started: run in the virtual machine, as root."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.support.processes import eventually

_PROJECT = Path(__file__).parents[2]
_UNITS = _PROJECT / "deploy" / "systemd"
_INSTALLED = Path("/etc/systemd/system")
_COMMAND = Path("/opt/service-server/bin/service-server")
_SETTINGS = Path("/etc/service-server/environment")
_OF_AN_ENGINE = "service_server-" + "[0-9a-f]" * 16
_GROUPS = Path("/sys/fs/cgroup/system.slice")
# What a program sees and may do, and the languages whose runtimes call most of the kernel.
_PROGRAMS = [
    ("python", "print(6 * 7)", "42"),
    ("python", "import os; print(os.getpid() < 10, os.path.exists('/var/lib/service-server'))", "True False"),
    ("node", "console.log([1, 2, 3].map(x => x * 2).join())", "2,4,6"),
    ("java", "class Main { public static void main(String[] a) { System.out.println(7); } }", "7"),
    ("c", '#include <stdio.h>\nint main() { puts("c"); }', "c"),
]
_GREEDY = "x = bytearray(500_000_000)"


def _systemctl(*words: str) -> None:
    subprocess.run(["systemctl", *words], check=True)


def _journal(unit: str) -> str:
    command = ["journalctl", "--no-pager", "--output=cat", f"--unit={unit}"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture(scope="module", autouse=True)
def _installed():
    """The service as docs/hosts.md has it installed; the worker's unit serves, as there is no Redis here."""
    subprocess.run(
        ["useradd", "--system", "--home-dir=/var/lib/service-server", "service-server"], check=True
    )
    ids = ("--add-subuids=200000-265535", "--add-subgids=200000-265535")
    subprocess.run(["usermod", *ids, "service-server"], check=True)
    _COMMAND.parent.mkdir(parents=True)
    # Both are started with what each unit allows; only the subcommand of the worker's is another.
    _COMMAND.write_text(f"#!/bin/sh\nexec {_PROJECT}/.venv/bin/service-server serve\n")
    _COMMAND.chmod(0o755)
    _SETTINGS.parent.mkdir()
    _SETTINGS.write_text(
        f"SERVER_PORT=8123\nPYTHONPATH={_PROJECT}\nPYTHONPYCACHEPREFIX=/var/lib/service-server/compiled\n"
    )
    for unit in _UNITS.glob("*.service"):
        (_INSTALLED / unit.name).write_text(unit.read_text())
    yield
    subprocess.run(["userdel", "service-server"], check=True)


@dataclass(frozen=True, kw_only=True)
class Unit:
    """A unit, and the drop-in that it has, if any."""

    name: str
    drop_in: str | None = None

    @property
    def user(self) -> str:
        return "root" if self.drop_in == "root.conf" else "service-server"


@pytest.fixture(
    params=[
        Unit(name="service-server"),
        Unit(name="service-server-worker"),
        Unit(name="service-server-worker", drop_in="root.conf"),
        Unit(name="service-server", drop_in="subordinate-ids.conf"),
        Unit(name="service-server-worker", drop_in="subordinate-ids.conf"),
    ],
    ids=lambda unit: f"{unit.name} with {unit.drop_in}" if unit.drop_in else unit.name,
)
def unit(request):
    """A unit that runs."""
    drop_ins = _INSTALLED / f"{request.param.name}.service.d"
    if request.param.drop_in:
        drop_ins.mkdir(exist_ok=True)
        (drop_ins / request.param.drop_in).write_text((_UNITS / request.param.drop_in).read_text())
    _systemctl("daemon-reload")
    _systemctl("start", request.param.name)
    yield request.param
    _systemctl("stop", request.param.name)
    shutil.rmtree(drop_ins, ignore_errors=True)


@pytest.fixture
def api(unit):
    with httpx.Client(base_url="http://127.0.0.1:8123", timeout=60) as client:
        assert eventually(lambda: _is_up(client), within_s=60), _journal(unit.name)
        yield client


def _run(api, language, code, **limits):
    job = {"project": "units", "language": language, "code": code, "execute": True, **limits}
    return api.post("/api/upload?wait=50", json=job).json()["data"]["result"]


def test_systemd_understands_every_line():
    files = [str(_INSTALLED / unit.name) for unit in _UNITS.glob("*.service")]
    verified = subprocess.run(
        ["systemd-analyze", "verify", *files], stderr=subprocess.PIPE, text=True, check=True
    )

    assert verified.stderr == ""


def test_a_unit_runs_programs_with_every_guarantee_and_leaves_nothing(unit, api):
    group = _GROUPS / f"{unit.name}.service"
    engine = api.get("/api/engine").json()

    # An ordinary user has subordinate ids, which the units keep from it.
    assert engine["isolated"] == (True if unit.drop_in else "partly")
    assert ["NoNewPrivileges=" in missing for missing in engine["missing"]] == [True][bool(unit.drop_in) :]
    assert engine["control_groups"].startswith(f"version 2, in {group}/service_server-")
    for language, code, output in _PROGRAMS:
        result = _run(api, language, code)
        assert result["stdout"].strip() == output, json.dumps(result)
    assert _run(api, "python", _GREEDY, memory_mb=64)["reason"] == "memory_limit"
    owner = {path.owner() for path in group.glob("service_server-*/") if path.is_dir()}
    assert owner == {unit.user}
    assert "control groups are not used" not in _journal(unit.name)
    _systemctl("stop", unit.name)
    assert not group.exists()


def test_a_service_that_was_killed_comes_back_and_leaves_no_program(unit, api):
    show = ["systemctl", "show", "--property=MainPID", "--value", unit.name]
    main = int(subprocess.run(show, stdout=subprocess.PIPE, check=True).stdout)
    group = _GROUPS / f"{unit.name}.service"
    before = set(group.glob(_OF_AN_ENGINE))

    os.kill(main, 9)

    assert eventually(lambda: not before & set(group.glob(_OF_AN_ENGINE)), within_s=30)
    assert eventually(lambda: _is_up(api), within_s=60), _journal(unit.name)
    assert _run(api, "python", "print(1)")["stdout"] == "1\n"


def _is_up(api):
    try:
        return api.get("/health/ready").is_success
    except httpx.TransportError:
        return False
