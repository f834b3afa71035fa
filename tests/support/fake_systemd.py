"""A fake systemd manager: on a real message bus, with plain directories as control groups."""

import os
import shutil
import socket
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from jeepney import DBusAddress, HeaderFields, Message, MessageType, new_error, new_method_return, new_signal
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

_MISSING = "dbus-daemon is not installed: apt-get install dbus-daemon"
_NAME = "org.freedesktop.systemd1"
_SIGNALS = DBusAddress("/org/freedesktop/systemd1", bus_name=_NAME, interface=f"{_NAME}.Manager")
_JOB = "/org/freedesktop/systemd1/job/7"
_CONFIGURATION = """
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>
"""


@contextmanager
def message_bus_daemon(directory: Path):
    """Run Debian's dbus-daemon in a directory; yield the address of its bus."""
    if shutil.which("dbus-daemon") is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(_MISSING)
    path = directory / "bus"
    configuration = directory / "bus.conf"
    configuration.write_text(_CONFIGURATION.format(socket=path))
    with subprocess.Popen(
        ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--print-address"],
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        try:
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()


class FakeSystemd(Thread):
    """The fake manager. It answers calls until its connection is closed.

    Args:
        address: The address of the bus.
        groups: The directory of its units' control groups.
        processes: The directory in which it records the group of a process, as /proc/PID/cgroup.

    Attributes:
        version: The version that it reports.
        unknown: Unit properties that it does not know.
        refusal: The name and the text of the error with which it refuses every start.
        result: The result of its jobs.
        is_silent: Whether it sends no replies.
        units: The properties of each started unit.
        forged: Results that another process sends for each job first.
    """

    def __init__(self, address: str, groups: Path, processes: Path) -> None:
        super().__init__(daemon=True)
        self.version = "257.13-1~deb13u1"
        self.unknown: set[str] = set()
        self.refusal: tuple[str, str] | None = None
        self.result = "done"
        self.is_silent = False
        self.units: dict[str, dict[str, object]] = {}
        self.forged: list[str] = []
        self._stopping: set[str] = set()
        self._groups = groups
        self._processes = processes
        self._forger = open_dbus_connection(address)
        self._bus = open_dbus_connection(address)
        self._bus.send_and_get_reply(message_bus.RequestName(_NAME))

    def run(self) -> None:
        with suppress(OSError, ValueError):  # the connection was closed
            while True:
                message = self._bus.receive()
                is_call = message.header.message_type == MessageType.method_call
                if is_call and not self.is_silent:
                    getattr(self, message.header.fields[HeaderFields.member])(message)

    def close(self) -> None:
        self._bus.sock.shutdown(socket.SHUT_RDWR)
        self.join()
        self._bus.close()
        self._forger.close()

    def group_of(self, unit: str) -> Path:
        return self._groups / "app.slice" / unit

    def loses_the_last_process_of(self, unit: str) -> None:
        """Remove the group of a scope, but forget the unit only when it is started again."""
        removed = self.group_of(unit).rename(self._groups / "removed")  # atomically, as in the kernel
        shutil.rmtree(removed)
        self._stopping.add(unit)

    def Subscribe(self, call: Message) -> None:  # noqa: N802 - the method's name
        self._bus.send(new_method_return(call))

    def Get(self, call: Message) -> None:  # noqa: N802 - the method's name
        _, name = call.body
        value = ("s", self.version) if name == "Version" else ("b", True)
        self._bus.send(new_method_return(call, "v", (value,)))

    def StartTransientUnit(self, call: Message) -> None:  # noqa: N802 - the method's name
        unit, _, properties, _ = call.body
        values = {name: value for name, (_, value) in properties}
        unknown = self.unknown & values.keys()
        if self.refusal is not None:
            self._bus.send(new_error(call, self.refusal[0], "s", (self.refusal[1],)))
        elif unknown:
            text = f"Cannot set property {unknown.pop()}, or unknown property."
            self._bus.send(new_error(call, "org.freedesktop.DBus.Error.PropertyReadOnly", "s", (text,)))
        elif unit in self._stopping:
            text = f"Unit {unit} was already loaded or has a fragment file."
            self._bus.send(new_error(call, f"{_NAME}.UnitExists", "s", (text,)))
            self._stopping.remove(unit)
            self._bus.send(new_signal(_SIGNALS, "UnitRemoved", "so", (unit, "/unit")))
        else:
            for result in self.forged:
                self._forger.send(new_signal(_SIGNALS, "JobRemoved", "uoss", (7, _JOB, unit, result)))
                self._forger.send_and_get_reply(message_bus.GetId())  # to arrive before the manager's
            self._bus.send(new_method_return(call, "o", (_JOB,)))
            self._start_unit(unit, values)
            self._bus.send(new_signal(_SIGNALS, "JobRemoved", "uoss", (7, _JOB, unit, self.result)))

    def _start_unit(self, unit: str, values: dict[str, object]) -> None:
        self.units[unit] = values
        group = self.group_of(unit)
        group.mkdir(parents=True)
        (group / "cgroup.controllers").write_text("memory pids\n")
        for process in values["PIDs"]:
            (self._processes / str(process)).mkdir(exist_ok=True)
            (self._processes / str(process) / "cgroup").write_text(f"0::/app.slice/{unit}\n")
            mounts = self._processes / "self" / "mountinfo"
            shutil.copy(mounts, self._processes / str(process) / "mountinfo")
