"""A delegated systemd scope: a control group for the supervisor, which systemd makes on request by D-Bus.

The system manager makes scopes for root, and a user's manager for that user. systemd moves the supervisor to
the scope, which an ordinary user could not do, and removes the scope when its last process has ended, also
after a kill.
"""

import os
import pwd
import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from jeepney import (
    DBusAddress,
    DBusErrorResponse,
    HeaderFields,
    MatchRule,
    Message,
    MessageFlag,
    MessageType,
    Properties,
    message_bus,
    new_method_call,
)
from jeepney.auth import AuthenticationError
from jeepney.bus import get_bus
from jeepney.io.blocking import DBusConnection, prep_socket

from adapters.local_engine.sandbox.unified_cgroups import CgroupsUnavailable
from domain.catalogue.text import text

_DELEGATE = text("groups.delegate")
_CONNECTED_WITHIN_S = 2.0
_ANSWERED_WITHIN_S = 5.0

_SYSTEM_BUS = Path("/run/dbus/system_bus_socket")
_RUNTIME_DIRECTORIES = Path("/run/user")
_OF_THE_USER_BUS = "DBUS_SESSION_BUS_ADDRESS"
_OF_THE_SYSTEM_BUS = "DBUS_SYSTEM_BUS_ADDRESS"

_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = DBusAddress("/org/freedesktop/systemd1", bus_name=_SYSTEMD, interface=f"{_SYSTEMD}.Manager")
_SIGNALS = MatchRule(type="signal", interface=_MANAGER.interface, path=_MANAGER.object_path)

_NO_MANAGER = {
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
}
_UNKNOWN_PROPERTY = "org.freedesktop.DBus.Error.PropertyReadOnly"
_UNIT_EXISTS = f"{_SYSTEMD}.UnitExists"

_PROPERTIES = (
    ("Description", ("s", "Programs of Service Server")),
    ("Delegate", ("b", True)),
    ("CollectMode", ("s", "inactive-or-failed")),
)
# A program that runs out of memory must not stop the others. Scopes have this property since version 253. The
# versions 251 and 252 stop a scope without it; earlier versions do not watch scopes.
_KEEP_THE_OTHERS = ("OOMPolicy", ("s", "continue"))
_FIRST_THAT_STOPS = 251


class _Bus(DBusConnection):  # type: ignore[misc]  # the library has no types
    """A connection on which every answer has a deadline, including the first one."""

    def receive(self, *, timeout: float | None = None) -> Message:
        """Return the next message.

        Raises:
            TimeoutError: No message has arrived.
        """
        return super().receive(timeout=_ANSWERED_WITHIN_S if timeout is None else timeout)


def start_scope(unit: str, process: int) -> None:
    """Have systemd start a delegated scope with one process of this user in it.

    If a scope of this name still exists without processes, wait until it is removed.

    Args:
        unit: The name of the scope.
        process: The process id.

    Raises:
        CgroupsUnavailable: The scope cannot be started; the message has the cause and the remedy.
    """
    with _manager() as manager:
        manager.start(unit, process)


def is_delegated(unit: str) -> bool:
    """Return whether the control group of a service or a scope is delegated.

    Raises:
        CgroupsUnavailable: systemd cannot be asked; the message has the cause and the remedy.
    """
    with _manager() as manager:
        return manager.is_delegated(unit)


@contextmanager
def _manager() -> Iterator["_Manager"]:
    address = _address()
    try:
        with (
            closing(prep_socket(address, timeout=_CONNECTED_WITHIN_S)) as connected,
            closing(_Bus(connected)) as bus,
        ):
            _ensure_same_process_ids(bus)
            _wait_for_manager(bus)
            _ask(bus, message_bus.AddMatch(_SIGNALS))
            with bus.filter(_SIGNALS, queue=deque()) as signals:
                yield _Manager(bus, signals)
    except DBusErrorResponse as error:
        if error.name in _NO_MANAGER:
            raise _without_manager() from error
        raise CgroupsUnavailable(text("groups.refused", error=_text(error)), _DELEGATE) from error
    except TimeoutError as error:
        raise CgroupsUnavailable(text("groups.bus_silent", bus=_shown(address)), _DELEGATE) from error
    except (OSError, AuthenticationError, ValueError) as error:
        trouble = str(getattr(error, "strerror", None) or error)
        cause = text("groups.bus_fails", bus=_shown(address), error=trouble)
        raise CgroupsUnavailable(cause, _DELEGATE) from error


class _Manager:
    """The systemd manager of a bus.

    Args:
        bus: The connection.
        signals: The signals that may be the manager's, from any sender.
    """

    def __init__(self, bus: _Bus, signals: deque[Message]) -> None:
        self._bus = bus
        self._signals = signals
        # Any process may send signals, but the bus names the sender.
        self._name = self._call("Subscribe").header.fields[HeaderFields.sender]

    def start(self, unit: str, process: int) -> None:
        """Start a scope and wait until the process is in it."""
        until = time.monotonic() + _ANSWERED_WITHIN_S
        properties = [*_PROPERTIES, ("PIDs", ("au", [process])), _KEEP_THE_OTHERS]
        while True:
            try:
                body: tuple[Any, ...] = (unit, "fail", properties, [])
                (job,) = self._call("StartTransientUnit", "ssa(sv)a(sa(sv))", body).body
            except DBusErrorResponse as error:
                if error.name == _UNIT_EXISTS:
                    self._wait_for("UnitRemoved", unit, until)
                elif error.name == _UNKNOWN_PROPERTY and _KEEP_THE_OTHERS in properties:
                    self._ensure_none_is_stopped()
                    properties.remove(_KEEP_THE_OTHERS)
                else:
                    raise
            else:
                break
        result = self._wait_for("JobRemoved", job, until)[-1]
        if result != "done":
            raise CgroupsUnavailable(text("groups.job_ended", unit=unit, result=result), _DELEGATE)

    def is_delegated(self, unit: str) -> bool:
        """Return whether the control group of a service or a scope is delegated."""
        (path,) = self._call("GetUnit", "s", (unit,)).body
        kind = unit.rpartition(".")[2].capitalize()
        address = DBusAddress(path, bus_name=_SYSTEMD, interface=f"{_SYSTEMD}.{kind}")
        return bool(self._property(address, "Delegate"))

    def _property(self, address: DBusAddress, name: str) -> object:
        ((_, value),) = _ask(self._bus, Properties(address).get(name)).body
        return value

    def _ensure_none_is_stopped(self) -> None:
        version = str(self._property(_MANAGER, "Version"))
        number = version.partition(".")[0].partition("-")[0]
        if number.isdecimal() and int(number) < _FIRST_THAT_STOPS:
            return
        user = "" if os.geteuid() == 0 else "--user "
        raise CgroupsUnavailable(
            text("groups.stops_all", version=version), text("groups.delegate_or_start", user=user)
        )

    def _call(self, member: str, signature: str | None = None, body: tuple[Any, ...] = ()) -> Message:
        message = new_method_call(_MANAGER, member, signature, body)
        message.header.flags |= MessageFlag.no_auto_start
        return _ask(self._bus, message)

    def _wait_for(self, member: str, subject: str, until: float) -> tuple[Any, ...]:
        """Wait for a signal of the manager whose body names a subject; return the body."""
        while True:
            signal = self._bus.recv_until_filtered(self._signals, timeout=until - time.monotonic())
            fields = signal.header.fields
            is_meant = fields[HeaderFields.member] == member and subject in signal.body
            if is_meant and fields.get(HeaderFields.sender) == self._name:
                return tuple(signal.body)


def _ask(bus: _Bus, message: Message) -> Message:
    """Send a call and return the answer.

    Raises:
        DBusErrorResponse: The answer is an error.
        TimeoutError: There is no answer.
    """
    reply = bus.send_and_get_reply(message, timeout=_ANSWERED_WITHIN_S)
    if reply.header.message_type == MessageType.error:
        raise DBusErrorResponse(reply)
    return reply


def _wait_for_manager(bus: _Bus) -> None:
    """Wait until the running manager is on the bus, which starts with the first client after a login."""
    if not (_RUNTIME_DIRECTORIES / str(os.geteuid()) / "systemd" / "private").exists():
        return
    changed = MatchRule(
        type="signal",
        interface=message_bus.interface,
        member="NameOwnerChanged",
        path=message_bus.object_path,
    )
    changed.add_arg_condition(0, _SYSTEMD)
    _ask(bus, message_bus.AddMatch(changed))
    with bus.filter(changed, queue=deque()) as changes, suppress(TimeoutError):
        (has_owner,) = _ask(bus, message_bus.NameHasOwner(_SYSTEMD)).body
        if not has_owner:
            bus.recv_until_filtered(changes, timeout=_ANSWERED_WITHIN_S)


def _ensure_same_process_ids(bus: _Bus) -> None:
    """Ensure that systemd sees our processes under the same ids as we do.

    Raises:
        CgroupsUnavailable: The ids differ: for systemd, ours would be the ids of other processes.
    """
    (own,) = _ask(bus, message_bus.GetConnectionUnixProcessID(bus.unique_name)).body
    if own != os.getpid():
        raise CgroupsUnavailable(text("groups.other_ids"), text("groups.same_namespace"))


def _address() -> str:
    """Return the address of the socket of the manager's bus.

    Raises:
        CgroupsUnavailable: There is no such bus.
    """
    if os.geteuid() == 0:
        if not os.environ.get(_OF_THE_SYSTEM_BUS) and not _SYSTEM_BUS.exists():
            raise CgroupsUnavailable(
                text("groups.bus_missing", bus=str(_SYSTEM_BUS)), text("groups.install_bus")
            )
        return _socket_of(os.environ.get(_OF_THE_SYSTEM_BUS) or f"unix:path={_SYSTEM_BUS}")
    # The path of systemd comes first: the environment may be of another user, or of a desktop without
    # systemd.
    bus = _RUNTIME_DIRECTORIES / str(os.geteuid()) / "bus"
    if bus.exists():
        return str(bus)
    if os.environ.get(_OF_THE_USER_BUS):
        return _socket_of(os.environ[_OF_THE_USER_BUS])
    if (bus.parent / "systemd").exists():
        raise CgroupsUnavailable(
            text("groups.user_bus_missing", bus=str(bus)), text("groups.install_user_bus")
        )
    raise _without_manager()


def _socket_of(bus: str) -> str:
    try:
        return str(get_bus(bus))
    except (RuntimeError, ValueError) as error:
        raise CgroupsUnavailable(text("groups.bus_unknown", bus=bus), _DELEGATE) from error


def _shown(address: str) -> str:
    return address.replace("\0", "@", 1)


def _text(error: DBusErrorResponse) -> str:
    return str(error.data[0]).rstrip(".") if error.data else str(error.name)


def _without_manager() -> CgroupsUnavailable:
    if os.geteuid() == 0:
        return CgroupsUnavailable(text("groups.no_systemd"), _DELEGATE)
    user = str(os.geteuid())
    with suppress(KeyError):
        user = pwd.getpwuid(os.geteuid()).pw_name
    return CgroupsUnavailable(text("groups.no_manager", user=user), text("groups.linger", user=user))
