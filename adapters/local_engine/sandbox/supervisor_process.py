"""The service's side of the supervisor process."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Lock

from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.subordinate_ids import SubordinateIds, UserNamespace
from adapters.local_engine.sandbox.supervisor.protocol import IN_FILE, MAX_REQUEST_BYTES, SpawnRequest

_ROOT = Path(__file__).parents[3]
_BOOT = """
import contextlib, os, sys
sys.path.insert(0, sys.argv[1])
with contextlib.suppress(OSError):
    os.sched_setaffinity(0, map(int, sys.argv[2].split(",")))
from adapters.local_engine.sandbox.supervisor.main import main
main()
"""
_STOP_TIMEOUT_S = 5


class SupervisorProcess:
    """The supervisor, the process that owns every program. It is started on first use, and again if it dies.

    The supervisor inherits no environment and no descriptor except its socket. When the socket is closed,
    also by a crash of the service, the supervisor ends with every program. PR_SET_PDEATHSIG could not replace
    the socket, because it depends on the thread that started the process, and threads end before the service.

    Args:
        processors: The processors for the supervisor and every program, independent of the service's. If the
            machine takes all of them away, the ones that it assigns instead are used.
        clear: Kills the processes that a killed supervisor left behind.
        adopt: Called with the process id of each new supervisor before it starts a program. An OSError ends
            the supervisor.
        user_namespace: Returns the user namespace for a new supervisor; None for the service's.
    """

    def __init__(
        self,
        processors: Iterable[int],
        clear: Callable[[], None],
        adopt: Callable[[int], None],
        user_namespace: Callable[[], UserNamespace | None],
    ) -> None:
        self._clear = clear
        self._adopt = adopt
        self._user_namespace = user_namespace
        self._processors = ",".join(map(str, sorted(processors)))
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The process id of the running supervisor; None if it is not running."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def start(self) -> None:
        """Start the supervisor if it is not running.

        Raises:
            OSError: The supervisor cannot be started.
        """
        with self._lock:
            self._start()

    def run(self, request: SpawnRequest, descriptors: Sequence[int]) -> socket.socket:
        """Have a program started; return the control socket of the run.

        Args:
            request: The program.
            descriptors: The program's stdin, stdout and stderr, then the numbered descriptors. The caller
                closes its own copies.

        Raises:
            OSError: The supervisor cannot be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as stack:
            stack.enter_context(theirs)
            message, files = request.encode(), []
            if len(message) > MAX_REQUEST_BYTES:
                message, files = IN_FILE, [stack.enter_context(sealed_file("request", message))]
            sent = [*files, theirs.fileno(), *descriptors]
            stack.enter_context(self._lock)
            try:
                socket.send_fds(self._start(), [message], sent)
            except (BrokenPipeError, ConnectionResetError):
                self._stop()
                socket.send_fds(self._start(), [message], sent)
        return ours

    def close(self) -> None:
        """End the supervisor and, with it, every program. The supervisor can be started again."""
        with self._lock:
            self._stop()

    def _start(self) -> socket.socket:
        if self._control is not None and self.pid is not None:
            return self._control
        self._stop()
        self._clear()
        namespace = self._user_namespace()
        maxima = [] if namespace is None else [json.dumps(dict(namespace.maxima))]
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-I", "-S", "-c", _BOOT, str(_ROOT), self._processors]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [*command, *maxima, str(theirs.fileno())],
                env={},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                cwd=os.sep,
                start_new_session=True,
            )
        try:
            if namespace is not None:
                self._map(namespace.ids, self._control, self._process.pid)
            self._adopt(self._process.pid)
        except OSError:
            self._stop()
            raise
        return self._control

    @staticmethod
    def _map(ids: SubordinateIds, control: socket.socket, pid: int) -> None:
        if not control.recv(1):
            raise OSError(0, "it exited before its user namespace was created")
        ids.map(pid)
        control.send(b"\0")

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
