"""The launch of a program, and the service's connection to its run."""

import os
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace

from adapters.local_engine.sandbox.files import sealed_file
from adapters.local_engine.sandbox.isolation import Isolation
from adapters.local_engine.sandbox.launch_script import (
    BUILD_OUTPUT_DESCRIPTOR,
    SECRETS_DESCRIPTOR,
    secrets_script,
)
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.supervisor.kernel import pipe, receive
from adapters.local_engine.sandbox.supervisor.protocol import MAX_MESSAGE_BYTES, RunEvent, Status
from adapters.local_engine.sandbox.supervisor_process import SupervisorProcess

_READY_WITHIN_S = 10


@dataclass(frozen=True, slots=True)
class Connection:
    """The service's connection to a run.

    Attributes:
        control_socket: The control socket of the run; closing it kills the program.
        stdout: The pipe from the program's stdout.
        stderr: The pipe from the program's stderr.
        build_output: The pipe from the build; None if there is nothing to build.
        received: The descriptors received with events, which are closed with the connection.
    """

    control_socket: socket.socket
    stdout: int
    stderr: int
    build_output: int | None
    received: list[int] = field(default_factory=list)

    def next_event(self) -> RunEvent | None:
        """Wait for the next event; None if the supervisor has ended."""
        try:
            data, descriptors, _ = receive(self.control_socket, MAX_MESSAGE_BYTES, 1)
            self.received.extend(descriptors)
        except ConnectionResetError:
            return None
        return RunEvent.decode(data) if data else None

    def wait_for(self, status: Status) -> None:
        """Wait for the first event of a prewarmed run.

        Raises:
            OSError: The event has another status; the message is the last line of stderr.
        """
        self.control_socket.settimeout(_READY_WITHIN_S)
        event = self.next_event()
        self.control_socket.settimeout(None)
        if event is None or event.status is not status:
            os.set_blocking(self.stderr, False)
            written = ""
            with suppress(BlockingIOError):
                written = os.read(self.stderr, MAX_MESSAGE_BYTES).decode("utf-8", "replace").strip()
            raise ChildProcessError(0, written.splitlines()[-1] if written else "it ended")

    def is_quiet(self) -> bool:
        """Whether no event is waiting to be read."""
        poll = select.poll()
        poll.register(self.control_socket, select.POLLIN)
        return not poll.poll(0)


class Launcher:
    """Has the supervisor start programs in isolation."""

    def __init__(self, supervisor: SupervisorProcess, isolation: Isolation) -> None:
        self._supervisor = supervisor
        self._isolation = isolation

    @contextmanager
    def launched(self, program: Program, stdin: int) -> Iterator[Connection]:
        """Start a program. When the context ends, its remaining processes are killed.

        Args:
            program: The program.
            stdin: A descriptor, which the caller closes.

        Raises:
            OSError: The program cannot be started.
        """
        with ExitStack() as ours, ExitStack() as theirs:
            launch = ours.enter_context(self._isolation.prepare(program))
            (stdout, stdout_writer), (stderr, stderr_writer) = (pipe(ours, theirs) for _ in range(2))
            descriptors = dict(launch.descriptors)
            build_output = None
            if program.build:
                build_output, build_writer = pipe(ours, theirs)
                descriptors[BUILD_OUTPUT_DESCRIPTOR] = build_writer
            if program.secrets:
                script = secrets_script(program.secrets)
                descriptors[SECRETS_DESCRIPTOR] = theirs.enter_context(sealed_file("secrets", script))
            request = replace(launch.request, descriptors=list(descriptors))
            streams = (*(program.pipes or (stdin, stdout_writer)), stderr_writer)
            control_socket = self._supervisor.run(request, [*streams, *descriptors.values()])
            ours.enter_context(control_socket)
            theirs.close()
            received: list[int] = []
            ours.callback(_close_all, received)
            yield Connection(control_socket, stdout, stderr, build_output, received)


def _close_all(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
