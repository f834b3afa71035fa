"""From a program to our ends of its run."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from adapters.local_engine.sandbox.isolation import Isolation
from adapters.local_engine.sandbox.launch_script import BUILD_OUTPUT_DESCRIPTOR
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.supervisor_process import SupervisorProcess


@dataclass(frozen=True, slots=True)
class Connection:
    """Our ends of a run.

    Attributes:
        control_socket: What the supervisor gave for it; closing it kills the program.
        stdout: The pipe from the program.
        stderr: The same for the other stream.
        build_output: The pipe from the build; None if there is nothing to build.
    """

    control_socket: socket.socket
    stdout: int
    stderr: int
    build_output: int | None


class Launcher:
    """Has programs started, confined, by the supervisor."""

    def __init__(self, supervisor: SupervisorProcess, isolation: Isolation) -> None:
        self._supervisor = supervisor
        self._isolation = isolation

    @contextmanager
    def launched(self, program: Program, stdin: int) -> Iterator[Connection]:
        """Start a program. What is still alive of it at the end of the context is killed.

        Args:
            program: The program.
            stdin: A descriptor, which stays the caller's.

        Raises:
            OSError: It cannot be started.
        """
        with ExitStack() as ours, ExitStack() as theirs:
            launch = ours.enter_context(self._isolation.prepare(program))
            (stdout, stdout_writer), (stderr, stderr_writer) = (_pipe(ours, theirs) for _ in range(2))
            order, descriptors = launch.order, [stdin, stdout_writer, stderr_writer, *launch.descriptors]
            build_output = None
            if program.build:
                build_output, build_writer = _pipe(ours, theirs)
                order = replace(order, descriptors=[*order.descriptors, BUILD_OUTPUT_DESCRIPTOR])
                descriptors.append(build_writer)
            control_socket = self._supervisor.run(order, descriptors)
            ours.enter_context(control_socket)
            theirs.close()
            yield Connection(control_socket, stdout, stderr, build_output)


def _pipe(ours: ExitStack, theirs: ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    ours.callback(os.close, reader)
    theirs.callback(os.close, writer)
    return reader, writer
