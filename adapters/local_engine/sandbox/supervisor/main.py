"""The supervisor's main loop, started by `python -I -S` with one descriptor and an empty environment."""

import contextlib
import errno
import gc
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.cgroups import Cgroup
from adapters.local_engine.sandbox.supervisor.event_loop import EventLoop
from adapters.local_engine.sandbox.supervisor.kernel import adopt_orphans, forbid_core_dumps, receive
from adapters.local_engine.sandbox.supervisor.privileges import (
    has_privileges,
    lower_maxima,
    own_namespaces,
)
from adapters.local_engine.sandbox.supervisor.protocol import (
    IN_FILE,
    MAX_DESCRIPTORS,
    MAX_REQUEST_BYTES,
    RunEvent,
    SpawnRequest,
    Status,
    is_shortage,
    reason_of,
)
from adapters.local_engine.sandbox.supervisor.run import Run
from adapters.local_engine.sandbox.supervisor.scheduling import take_precedence
from adapters.local_engine.sandbox.supervisor.spawner import Spawner

# The kernel allows the removal of a cgroup shortly after its last process was reaped.
_CGROUP_RETRY_S = 0.02


class Supervisor:
    """Starts a run for every request. When the engine ends, it ends all runs and itself."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._events = EventLoop()
        self._spawner = Spawner()
        self._runs: list[Run] = []
        self._is_open = True
        self._old_cgroups: list[Cgroup] = []
        self._events.add(control.fileno(), self._take_request)

    def serve(self) -> None:
        """Serve requests until the engine and every run have ended."""
        adopt_orphans()
        take_precedence()
        os.umask(0o077)
        if has_privileges():
            os.setgroups([])
        while self._is_open or self._runs or self._old_cgroups:
            self._events.wait(self._seconds_to_next_look())
            self._old_cgroups[:] = [cgroup for cgroup in self._old_cgroups if not cgroup.remove()]
            if self._runs:  # only one at a time, so that events of descriptors do not wait for all of them
                min(self._runs, key=lambda run: run.next_look).look(time.monotonic())

    def _seconds_to_next_look(self) -> float | None:
        earliest = min((run.next_look for run in self._runs), default=float("inf"))
        if self._old_cgroups:
            earliest = min(earliest, time.monotonic() + _CGROUP_RETRY_S)
        return None if earliest == float("inf") else max(0.0, earliest - time.monotonic())

    def _take_request(self) -> None:
        try:
            message, descriptors = _receive_request(self._control)
        except EOFError:
            self._engine_is_gone()
            return
        except OSError:  # no descriptors are left: the engine notices that the control socket is closed
            return
        request = SpawnRequest.decode(message)
        try:
            name = f"run-{os.urandom(8).hex()}"  # random, because the program may see it
            run = Run(
                name,
                request,
                descriptors,
                self._spawner,
                self._events,
                self._on_quiet,
                self._old_cgroups.append,
            )
            self._runs.append(run)
        except OSError as error:  # no process, descriptor or memory is left
            _refuse(descriptors, reason_of(error), is_shortage=is_shortage(error))
        except ValueError:  # must not end this process, with which all other programs would end
            _refuse(descriptors, "its command line or environment is not valid for a process")

    def _engine_is_gone(self) -> None:
        self._is_open = False
        self._events.remove(self._control.fileno())
        for run in self._runs:
            run.kill()

    def _on_quiet(self, run: Run) -> None:
        """Finish a run whose processes have ended, once no process is left that could belong to it.

        A process that left both its parent and its session may belong to any run. It is killed with the first
        run that ends, so that no process outlives its run.
        """
        if run.reap_orphans(self._orphans()) and run.own_directory():
            self._runs.remove(run)
            run.finish()

    def _orphans(self) -> set[int]:
        sessions = {run.pid for run in self._runs if run.is_live}
        known = sessions.union(*(run.orphans for run in self._runs))
        return {pid for pid in processes.children() - known if processes.session_of(pid) not in sessions}


def _refuse(descriptors: list[int], reason: str, *, is_shortage: bool = False) -> None:
    """Report a refused request on its control socket, which is the first descriptor."""
    event = RunEvent(status=Status.ENDED, was_ready=False, error=reason, is_shortage=is_shortage)
    with contextlib.suppress(OSError):  # the engine has closed the socket
        os.write(descriptors[0], event.encode())
    for descriptor in descriptors:
        os.close(descriptor)


def _receive_request(control: socket.socket) -> tuple[bytes, list[int]]:
    """Receive a request and the descriptors of its run, the control socket first.

    Raises:
        EOFError: The engine has closed the socket.
        OSError: This process has no room for the descriptors.
    """
    message, descriptors, is_whole = receive(control, MAX_REQUEST_BYTES, MAX_DESCRIPTORS)
    if not message:
        raise EOFError
    if not is_whole:
        error = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if descriptors and message != IN_FILE:
            _refuse(descriptors, reason_of(error), is_shortage=True)
        else:
            for descriptor in descriptors:
                os.close(descriptor)
        raise error
    if message == IN_FILE:
        with os.fdopen(descriptors.pop(0), "rb") as file:
            message = file.read()
    return message, descriptors


def _enter_user_namespace(control: socket.socket, maxima: Mapping[str, int]) -> None:
    """Enter a new user namespace, in which this process is root once the engine has mapped the ids."""

    def map_ids() -> None:
        control.send(b"\0")
        if not control.recv(1):  # the engine has ended, or could not map the ids
            sys.exit()

    own_namespaces(map_ids)
    lower_maxima(maxima)


def main() -> None:
    """Serve the socket whose descriptor is the last argument.

    If there is another argument after the first two, it has the quotas of a new user namespace.
    """
    *maxima, descriptor = sys.argv[3:]
    control = socket.socket(fileno=int(descriptor))
    control.set_inheritable(False)  # a program that inherited the socket could send requests
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # if it is ignored, processes cannot be waited for
    forbid_core_dumps()
    for text in maxima:
        _enter_user_namespace(control, json.loads(text))
    gc.freeze()  # keeps long-lived objects in memory pages that forks share
    Supervisor(control).serve()
