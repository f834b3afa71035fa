"""Prewarmed interpreters: each waits in its own sandbox for one program."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.local_engine.sandbox.files import fill, memory_file
from adapters.local_engine.sandbox.launcher import Launcher
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.rootfs import HOME, HOOKS
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from adapters.local_engine.sandbox.supervisor.protocol import (
    HOOK_STATUS_DESCRIPTOR,
    START_DESCRIPTOR,
    ResourceLimits,
    Status,
)
from adapters.local_engine.sandbox.warm_pool import Prewarmed, PrewarmRecipe

_PRELOAD = Path(__file__).with_name("preload")
_DIRECTORY = ".hold"
_JOB_DESCRIPTOR = 9

LimitsOf = Callable[[Program], ResourceLimits]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreloadHook:
    """The module that makes an interpreter wait for its program.

    The interpreter runs the hook when it starts, before it opens the program.

    Attributes:
        found_by: The environment variable that makes the interpreter load the hook.
        value: The value of the variable; {hooks} stands for the directory of hooks that all programs see.
        file: A module of preload/ to use instead. It is copied to a directory that the variable is set to,
            and removes itself with that directory.
        idle_s: Seconds for which interpreters are kept ready after the last program of their language.
    """

    found_by: str
    value: str = ""
    file: str = ""
    idle_s: float = math.inf


class PrewarmedInterpreter(Prewarmed):
    """An interpreter that waits for a program.

    Args:
        launcher: Starts the interpreter.
        program: The interpreter with its hook.
        limits_of: Returns the limits of a program for the supervisor.

    Raises:
        OSError: The interpreter did not become ready; the message is the last line of its stderr.
    """

    def __init__(self, launcher: Launcher, program: Program, limits_of: LimitsOf) -> None:
        self._limits_of = limits_of
        with ExitStack() as stack:
            self._stdin = stack.enter_context(memory_file("stdin"))
            self._job = stack.enter_context(memory_file("job"))
            program = replace(program, descriptors={_JOB_DESCRIPTOR: self._job})
            connection = stack.enter_context(launcher.launched(program, self._stdin))
            connection.wait_for(Status.WAITING)
            super().__init__(connection, stack)

    def start(self, program: Program, monitor: RunMonitor) -> bool:
        """Send the program, which starts unless it was cancelled; return whether that was possible.

        The event `READY` follows, unless the sandbox fails meanwhile.
        """
        words = [str(len(program.arguments)), *program.arguments]
        fill(self._job, b"".join(word.encode() + b"\0" for word in words) + program.code)
        fill(self._stdin, program.stdin)
        return monitor.start(self.connection.control_socket, self._limits_of(program).encode())


class InterpreterRecipe(PrewarmRecipe[PrewarmedInterpreter]):
    """Makes prewarmed interpreters of a language.

    Args:
        title: The title of the language.
        usual: A program with the usual command line, environment and limits.
        hook: Makes the interpreter wait.
        launcher: Starts the interpreter.
        limits_of: Returns the limits of a program for the supervisor.
    """

    def __init__(
        self, title: str, usual: Program, hook: PreloadHook, launcher: Launcher, limits_of: LimitsOf
    ) -> None:
        self.title = title
        self.idle_s = hook.idle_s
        self._usual = usual
        self._hook = hook
        self._launcher = launcher
        self._limits_of = limits_of

    def prepare(self) -> PrewarmedInterpreter:
        """Start an interpreter."""
        return PrewarmedInterpreter(self._launcher, self._waiting(), self._limits_of)

    def serves(self, program: Program) -> bool:
        """Whether a program differs from the usual one only in values that can be set after the start."""
        return _fixed_at_start(program) == _fixed_at_start(self._usual)

    def _waiting(self) -> Program:
        """Return the usual program with the hook in place of its code."""
        hook = self._hook
        usual = replace(self._usual, settings={}, rlimits={}, is_prewarmed=True, reports_usage=True)
        if not hook.file:
            value = hook.value.replace("{hooks}", HOOKS)
            return replace(usual, code=b"", env={**usual.env, hook.found_by: value})
        code = (_PRELOAD / hook.file).read_text()
        call = f"hold({HOOK_STATUS_DESCRIPTOR}, {START_DESCRIPTOR}, {_JOB_DESCRIPTOR}, {usual.source!r})"
        return replace(
            usual,
            source=f"{_DIRECTORY}/{hook.file}",
            code=f"{code}\n\n{call}\n".encode(),
            env={**usual.env, hook.found_by: f"{HOME}/{_DIRECTORY}"},
        )


def _fixed_at_start(program: Program) -> tuple[object, ...]:
    limits = program.limits
    return (
        *(program.build, program.run, program.variables, program.secrets),
        *(program.files, program.pipes, program.wanted),
        *(limits.disk_mb, limits.files),
    )
