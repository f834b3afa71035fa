"""Interpreters that are started ahead: each waits at its start, in a sandbox of its own, for one program."""

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
    """The module by which an interpreter waits for its program.

    The interpreter runs it at its start, before it looks for the program.

    Attributes:
        found_by: The variable that leads the interpreter there.
        value: The variable's value; {hooks} stands for the directory of the hooks that all programs see.
        file: A module in preload/ in place of such a hook, which removes itself with its directory, which the
            variable then has.
        idle_s: Seconds for which interpreters are kept ready after the last program of their language.
    """

    found_by: str
    value: str = ""
    file: str = ""
    idle_s: float = math.inf


class PrewarmedInterpreter(Prewarmed):
    """An interpreter that waits.

    Args:
        launcher: Starts it.
        program: The interpreter with its hook.
        limits_of: The limits of a program, as the supervisor takes them.

    Raises:
        OSError: It did not become ready; the reason is the last line of its stderr.
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
        """Give it its program, which starts unless it has been cancelled; return whether that was possible.

        The event `READY` follows, unless the sandbox breaks down at this moment.
        """
        words = [str(len(program.arguments)), *program.arguments]
        fill(self._job, b"".join(word.encode() + b"\0" for word in words) + program.code)
        fill(self._stdin, program.stdin)
        return monitor.start(self.connection.control_socket, self._limits_of(program).encode())


class InterpreterRecipe(PrewarmRecipe[PrewarmedInterpreter]):
    """The interpreter of a language.

    Args:
        title: The language.
        usual: A program with the command line, environment and limits of most.
        hook: Makes it wait.
        launcher: Starts it.
        limits_of: The limits of a program, as the supervisor takes them.
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
        """An interpreter reads its environment when it starts, and a file system keeps its size."""
        return _fixed_at_start(program) == _fixed_at_start(self._usual)

    def _waiting(self) -> Program:
        """Turn the usual program into its interpreter, which waits until the program is there."""
        hook = self._hook
        usual = replace(self._usual, rlimits={}, is_prewarmed=True, reports_usage=True)
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
