"""An interpreter that was started ahead of its job, in a box of its own."""

import os
import select
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

from adapters.local_engine.sandbox.files import fill, memory_file
from adapters.local_engine.sandbox.launcher import Launcher
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.rootfs import HOME
from adapters.local_engine.sandbox.supervisor.protocol import (
    MAX_MESSAGE_BYTES,
    START_DESCRIPTOR,
    STATUS_DESCRIPTOR,
    ResourceLimits,
    RunEvent,
    RunEventKind,
)
from adapters.local_engine.toolchains import PreloadHook

_PRELOAD = Path(__file__).with_name("preload")
_DIRECTORY = ".hold"
_JOB_DESCRIPTOR = 9
_READY_WITHIN_S = 10
_WORDS = 4096


def waiting(program: Program, warmth: PreloadHook) -> Program:
    """Turn a program into its interpreter, which waits at its start until the program is there."""
    hold = (_PRELOAD / warmth.file).read_text()
    call = f"hold({STATUS_DESCRIPTOR}, {START_DESCRIPTOR}, {_JOB_DESCRIPTOR}, {program.source!r})"
    return replace(
        program,
        source=f"{_DIRECTORY}/{warmth.file}",
        code=f"{hold}\n\n{call}\n".encode(),
        env={**program.env, warmth.found_by: f"{HOME}/{_DIRECTORY}"},
        rlimits={"CORE": (0, 0)},
        parks=True,
    )


class PrewarmedSandbox:
    """One box: it is given one job, or none.

    Args:
        launcher: What starts it.
        program: An interpreter that waits.
        allowance: Says what a program may use, in the supervisor's words.

    Raises:
        OSError: It did not become ready; the reason is in what it says.
    """

    def __init__(
        self, launcher: Launcher, program: Program, allowance: Callable[[Program], ResourceLimits]
    ) -> None:
        self._allowance = allowance
        with ExitStack() as stack:
            self._stdin = stack.enter_context(memory_file("stdin"))
            self._job = stack.enter_context(memory_file("job"))
            program = replace(program, descriptors={_JOB_DESCRIPTOR: self._job})
            self.connection = stack.enter_context(launcher.launched(program, self._stdin))
            self._wait()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Let go of the box; what is alive in it is killed."""
        self._stack.close()

    def is_waiting(self) -> bool:
        """Whether nothing has happened to it since it became ready."""
        poll = select.poll()
        poll.register(self.connection.control_socket, select.POLLIN)
        return not poll.poll(0)

    def hand_over(self, program: Program, stdin: str) -> bool:
        """Give it its job; return whether that was possible.

        It takes the job once it is told to start. Whether it came to that is in the events then: it did not
        if the box broke down at this moment.
        """
        words = [str(len(program.arguments)), *program.arguments]
        fill(self._job, b"".join(word.encode() + b"\0" for word in words) + program.code)
        fill(self._stdin, stdin.encode())
        try:
            self.connection.control_socket.send(self._allowance(program).encode())
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _wait(self) -> None:
        control_socket = self.connection.control_socket
        control_socket.settimeout(_READY_WITHIN_S)
        data = control_socket.recv(MAX_MESSAGE_BYTES)
        control_socket.settimeout(None)
        if not data or RunEvent.decode(data).kind is not RunEventKind.PARKED:
            os.set_blocking(self.connection.stderr, False)
            said = ""
            with suppress(BlockingIOError):
                said = os.read(self.connection.stderr, _WORDS).decode("utf-8", "replace").strip()
            raise ChildProcessError(0, said.splitlines()[-1] if said else "it ended")
