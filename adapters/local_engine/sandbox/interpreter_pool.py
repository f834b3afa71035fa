"""Interpreters that are started ahead: each waits at its start, in a sandbox of its own, for one program."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.local_engine.sandbox.files import fill, memory_file
from adapters.local_engine.sandbox.launcher import Launcher
from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.rootfs import HOME
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

    Attributes:
        file: In preload/. The interpreter runs it at its start, before it looks for the program.
        found_by: The variable that leads the interpreter there.
    """

    file: str
    found_by: str


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
        fill(self._stdin, program.stdin.encode())
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
        hook, usual = self._hook, self._usual
        code = (_PRELOAD / hook.file).read_text()
        call = f"hold({HOOK_STATUS_DESCRIPTOR}, {START_DESCRIPTOR}, {_JOB_DESCRIPTOR}, {usual.source!r})"
        return replace(
            usual,
            source=f"{_DIRECTORY}/{hook.file}",
            code=f"{code}\n\n{call}\n".encode(),
            env={**usual.env, hook.found_by: f"{HOME}/{_DIRECTORY}"},
            rlimits={},
            is_prewarmed=True,
        )


def _fixed_at_start(program: Program) -> tuple[object, ...]:
    limits = program.limits
    return (
        *(program.build, program.run, program.variables, program.secrets),
        *(limits.disk_mb, limits.files),
    )
