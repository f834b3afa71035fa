"""Asking systemd for a delegated scope: on a real message bus, where a manager of the tests' own answers."""

import os
import socket
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread, Timer

import pytest

from adapters.local_engine.sandbox import cgroup_discovery, systemd_scope
from adapters.local_engine.sandbox.cgroup_discovery import discover, remove, renew
from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable
from tests.support.fake_systemd import FakeSystemd, message_bus_daemon

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="the tests' manager is the system's; for a user's see tests/vm/guest_scopes.py"
)

_SERVICE = "system.slice/service-server.service"
_NAME = "service_server-1-2-0a"
_SUPERVISOR = 4_000


class Machine:
    """A machine that systemd has started, on which the service is a unit of its own."""

    def __init__(self, directory: Path) -> None:
        self.groups = directory / "cgroup"
        self.own = self.groups / _SERVICE
        self.own.mkdir(parents=True)
        (self.own / "cgroup.controllers").write_text("cpu memory pids\n")
        self.processes = directory / "proc"
        self.process = self.processes / "self"
        self.process.mkdir(parents=True)
        (self.process / "cgroup").write_text(f"0::/{_SERVICE}\n")
        (self.process / "mountinfo").write_text(f"30 20 0:1 / {self.groups} rw - cgroup2 cgroup rw\n")

    def discover(self):
        return discover(self.process, _NAME, supervisor=_SUPERVISOR)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    running = tmp_path / "run"
    running.mkdir()
    monkeypatch.setattr(cgroup_discovery, "_SYSTEMD_RUNS", running)
    monkeypatch.setattr(systemd_scope, "_RUNTIME_DIRECTORIES", tmp_path / "user")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def bus(tmp_path_factory):
    with message_bus_daemon(tmp_path_factory.mktemp("bus")) as address:
        yield address


@pytest.fixture
def systemd(machine, bus, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
    with closing(FakeSystemd(bus, machine.groups, machine.processes)) as systemd:
        systemd.start()
        yield systemd


def test_a_unit_that_is_not_delegated_gets_a_delegated_scope_with_the_supervisor_in_it(machine, systemd):
    plan = machine.discover()

    scope = systemd.group_of(f"{_NAME}.scope")
    assert plan.memory == str(scope / _NAME)
    assert (scope / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert systemd.units == {
        f"{_NAME}.scope": {
            "Description": "Programs of Service Server",
            "Delegate": True,
            "CollectMode": "inactive-or-failed",
            "PIDs": [_SUPERVISOR],
            "OOMPolicy": "continue",
        }
    }
    assert [path.name for path in machine.own.iterdir()] == ["cgroup.controllers"]


def test_a_manager_that_runs_is_waited_for_until_it_is_on_the_bus(machine, bus, tmp_path, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
    private = tmp_path / "user" / "0" / "systemd" / "private"
    private.parent.mkdir(parents=True)
    private.touch()
    managers = []

    def come() -> None:
        managers.append(FakeSystemd(bus, machine.groups, machine.processes))
        managers[0].start()

    coming = Timer(0.2, come)
    coming.start()
    try:
        plan = machine.discover()
    finally:
        coming.join()
        managers[0].close()

    assert plan.memory.endswith(f"{_NAME}.scope/{_NAME}")


def test_a_unit_that_is_delegated_is_shared_out_itself(machine, systemd):
    os.setxattr(machine.own, "user.delegate", b"1")

    assert machine.discover().memory == str(machine.own / _NAME)
    assert systemd.units == {}


def test_a_supervisor_in_the_place_of_another_gets_the_scope_again_once_it_is_free(
    machine, systemd, monkeypatch
):
    plan = machine.discover()
    systemd.loses_the_last_process_of(f"{_NAME}.scope")
    monkeypatch.setattr(cgroup_discovery, "_PROCESSES", machine.processes)

    renew(plan, _SUPERVISOR + 1)

    assert systemd.units[f"{_NAME}.scope"]["PIDs"] == [_SUPERVISOR + 1]
    assert Path(plan.memory, "cgroup.subtree_control").read_text() == "+memory +pids"


def test_a_supervisor_in_a_group_of_the_services_own_needs_none_again(machine, systemd):
    os.setxattr(machine.own, "user.delegate", b"1")

    renew(machine.discover(), _SUPERVISOR + 1)

    assert systemd.units == {}


def test_a_stop_waits_until_systemd_has_removed_the_scope(machine, systemd):
    plan = machine.discover()
    scope = systemd.group_of(f"{_NAME}.scope")
    (scope / "cgroup.events").write_text("populated 0\nfrozen 0\n")
    removal = Timer(0.2, lambda: systemd.loses_the_last_process_of(scope.name))
    removal.start()

    remove(plan)

    assert not scope.exists()
    removal.join()


def test_a_stop_leaves_a_scope_in_which_a_process_is_left(machine, systemd):
    plan = machine.discover()
    scope = systemd.group_of(f"{_NAME}.scope")
    (scope / "cgroup.events").write_text("populated 1\nfrozen 0\n")

    remove(plan)

    assert Path(plan.memory).is_dir()


def test_signals_of_other_processes_change_nothing(machine, systemd):
    systemd.forged = ["failed", "done"]

    assert machine.discover().memory == str(systemd.group_of(f"{_NAME}.scope") / _NAME)


def test_systemd_that_never_stops_a_scope_for_its_memory_needs_no_policy(machine, systemd):
    systemd.version, systemd.unknown = "249.11-0ubuntu3.16", {"OOMPolicy"}

    machine.discover()

    assert "OOMPolicy" not in systemd.units[f"{_NAME}.scope"]


def _refusal(machine):
    with pytest.raises(CgroupsUnavailable) as refused:
        machine.discover()
    return str(refused.value)


def test_systemd_that_would_stop_the_scope_for_one_program_is_not_used(machine, systemd):
    systemd.version, systemd.unknown = "252.38-1~deb12u1", {"OOMPolicy"}

    refusal = _refusal(machine)

    assert "systemd 252.38-1~deb12u1 stops a scope when one program in it runs out of memory; " in refusal
    assert "'systemd-run --pty --same-dir -p Delegate=yes service-server ...'" in refusal
    assert systemd.units == {}


@pytest.mark.parametrize(
    ("attributes", "cause"),
    [
        (
            {"refusal": ("org.freedesktop.DBus.Error.AccessDenied", "Permission denied.")},
            "systemd refuses: Permission denied; ",
        ),
        (
            {"result": "failed"},
            "systemd could not start service_server-1-2-0a.scope: its job ended as 'failed'; ",
        ),
        ({"is_silent": True}, "systemd does not answer on the bus at "),
    ],
)
def test_a_refusal_names_both_causes_and_the_remedy(machine, systemd, monkeypatch, attributes, cause):
    monkeypatch.setattr(systemd_scope, "_ANSWERED_WITHIN_S", 1.0)
    for name, value in attributes.items():
        setattr(systemd, name, value)

    refusal = _refusal(machine)

    assert refusal.startswith(
        f"systemd has not delegated {machine.own}, and no other group is available: {cause}"
    )
    assert refusal.endswith("; set Delegate=yes in the service's systemd unit")


def test_a_bus_without_systemd_is_told_from_one_that_refuses(machine, bus, monkeypatch):
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)

    assert "no systemd answers on the system's bus" in _refusal(machine)


def test_processes_with_other_ids_for_systemd_are_not_moved(machine, systemd, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 1)

    assert "systemd knows the processes of this service by other ids" in _refusal(machine)
    assert systemd.units == {}


def test_a_user_whose_systemd_is_not_running_learns_how_to_start_it(machine, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 65_534)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)

    refusal = _refusal(machine)

    assert (
        "no systemd manager of the user nobody is running; "
        "as root, start one with 'loginctl enable-linger nobody'" in refusal
    )
    assert refusal.endswith(", or set Delegate=yes in the service's systemd unit")


def test_a_user_whose_systemd_has_no_bus_learns_which_package_brings_it(machine, tmp_path, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 65_534)
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    (tmp_path / "user" / "65534" / "systemd").mkdir(parents=True)

    assert "install it with 'apt-get install dbus-user-session' and log in again" in _refusal(machine)


def test_the_users_own_bus_comes_before_that_of_the_environment(machine, tmp_path, bus, monkeypatch):
    own = tmp_path / "user" / "65534" / "bus"
    own.parent.mkdir(parents=True)
    own.symlink_to(bus.removeprefix("unix:path=").partition(",")[0])
    monkeypatch.setattr("os.geteuid", lambda: 65_534)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "tcp:host=127.0.0.1")

    # It is the bus of another user, who is refused there.
    assert f"the bus at {own} fails: Authentication failed" in _refusal(machine)


@pytest.mark.parametrize("answer", [b"", b"REJECTED\r\n", b"\xff" * 1_000, None])
def test_a_bus_that_answers_nonsense_or_nothing_costs_the_groups_alone(
    machine, tmp_path, monkeypatch, answer
):
    monkeypatch.setattr(systemd_scope, "_CONNECTED_WITHIN_S", 0.5)
    path = tmp_path / "strange"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")

    with _listening(path, _answer, answer):
        refusal = _refusal(machine)

    assert f"bus at {path}" in refusal
    assert "Delegate=yes" in refusal


@contextmanager
def _listening(path, answer, *arguments):
    """Answer one connection to a socket."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        answering = Thread(target=answer, args=(listener, *arguments), daemon=True)
        answering.start()
        yield
    answering.join()


def _answer(listener, answer):
    connection, _ = listener.accept()
    with connection:
        if answer is not None:
            connection.sendall(answer)
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(4_096):
            continue


def test_a_bus_that_admits_us_and_falls_silent_is_given_up(machine, tmp_path, monkeypatch):
    monkeypatch.setattr(systemd_scope, "_ANSWERED_WITHIN_S", 0.3)
    path = tmp_path / "silent"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")

    with _listening(path, _admit):
        refusal = _refusal(machine)

    assert f"systemd does not answer on the bus at {path}" in refusal


def _admit(listener):
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
        while connection.recv(4_096):
            continue
