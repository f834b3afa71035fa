"""Prewarmed compilers, for languages whose compiler takes longer to start than to compile."""

import io
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from adapters.local_engine.sandbox.capture import CapturedOutput
from adapters.local_engine.sandbox.cds_archive import CdsArchive
from adapters.local_engine.sandbox.files import sealed_copy
from adapters.local_engine.sandbox.launch_script import ARCHIVE_DESCRIPTOR, ARCHIVE_PATH
from adapters.local_engine.sandbox.launcher import Launcher
from adapters.local_engine.sandbox.outcome import Observation, Outcome, classify
from adapters.local_engine.sandbox.program import ENVIRONMENT, Program, build_limits, build_rlimits
from adapters.local_engine.sandbox.run_monitor import RunMonitor
from adapters.local_engine.sandbox.supervisor.protocol import START, RunEvent, Status
from adapters.local_engine.sandbox.warm_pool import Prewarmed, PrewarmRecipe
from domain.execution import Output
from domain.limits import STANDARD_LIMITS

_MIB = 1 << 20
# The capacity of a pipe without a reader. Larger programs are built in their own sandboxes.
_LARGEST_REQUEST = 65_536
# The harness adds this to the compiler's exit status when the program has errors. A status from 128 on means
# a signal.
_REFUSED = 64
_SIGNALLED = 128
_UNPACK = ("/bin/tar", "--extract", "--touch", "--file", ARCHIVE_PATH)
_IDLE_S = 300
_LIMITS = STANDARD_LIMITS.resolve(
    {"timeout_ms": 1000 * _IDLE_S, "memory_mb": 1024, "disk_mb": 256, "output_mb": 64}
)

CaptureOutput = Callable[[int], CapturedOutput]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiler:
    """A compiler that can be prewarmed, with a CDS archive of its classes.

    Attributes:
        language: The language of the programs that it compiles.
        title: Its name in the log.
        sample: A file in this directory whose compilation loads the classes that builds need.
        make_archive: The command line that compiles the sample and writes the archive.
        harness: A program in this directory that runs the compiler: it reads the source from its stdin and
            writes the result to its stdout.
        command: The command line of the harness.
    """

    language: str
    title: str
    sample: str
    make_archive: Sequence[str]
    harness: str
    command: Sequence[str]


class PrewarmedCompiler(Prewarmed):
    """A compiler that waits for a program on its stdin.

    Args:
        launcher: Starts the compiler in an ordinary sandbox.
        program: The compiler.
        capture: Captures its output, up to a number of bytes.
    """

    def __init__(self, launcher: Launcher, program: Program, capture: CaptureOutput) -> None:
        self._capture = capture
        with ExitStack() as stack:
            reader, writer = os.pipe()
            self._stdin = stack.enter_context(os.fdopen(writer, "wb", buffering=0))
            try:
                connection = stack.enter_context(launcher.launched(program, reader))
            finally:
                os.close(reader)
            connection.wait_for(Status.READY)
            connection.control_socket.send(START)  # a compiler's start is not recorded
            super().__init__(connection, stack)

    @contextmanager
    def compiled(self, program: Program, monitor: RunMonitor) -> Iterator[Program | Outcome]:
        """Compile a program.

        Yields:
            The program, whose build only unpacks the compiled files; the program with its original build if
            the compiler failed, or wrote more messages than the build may; or the outcome if the program
            cannot be built.
        """
        with ExitStack() as built:
            with closing(self):
                outcome = self._follow(program, monitor, built) if self._start(program) else program
            yield outcome

    def _start(self, program: Program) -> bool:
        """Send the program and the limits of its build to the compiler; return whether that was possible."""
        with suppress(BrokenPipeError, ConnectionResetError), self._stdin:
            self.connection.control_socket.send(build_limits(program).encode())
            self._stdin.write(_request(program))
            return True
        return False

    def _follow(self, program: Program, monitor: RunMonitor, built: ExitStack) -> Program | Outcome:
        begun = time.monotonic()
        output = self._capture(_LIMITS.output_mb * _MIB)
        event = monitor.follow(self.connection, output)
        spent_ms = math.ceil(1000 * (time.monotonic() - begun))
        messages = output.stderr.output()
        is_wordy = messages.total_bytes > program.allowed_build_output_mb * _MIB
        if event is not None and not is_wordy:
            event = replace(event, was_ready=False, in_build=True, wall_ms=spent_ms)
            if event.limit == "timeout_ms" and spent_ms >= program.limits.build_timeout_ms:
                event = replace(event, limit="build_timeout_ms", exit_code=None)
                return _refusal(event, output, program, monitor)
            if _REFUSED < (event.exit_code or 0) < _SIGNALLED:
                event = replace(event, limit=None, exit_code=(event.exit_code or 0) - _REFUSED)
                return _refusal(event, output, program, monitor)
        with closing(output):
            if event is None or event.exit_code != 0 or is_wordy:
                return replace(program, build_spent_ms=spent_ms)
            archive = sealed_copy(output.stdout.rewound())
            built.callback(os.close, archive)
            return replace(
                program,
                build=_UNPACK,
                descriptors={ARCHIVE_DESCRIPTOR: archive},
                compile_output=messages,
            )


class CompilerRecipe(PrewarmRecipe[PrewarmedCompiler]):
    """Makes prewarmed compilers, each of which compiles one program.

    Args:
        compiler: The compiler.
        archive: The CDS archive of its classes; no compiler is started before this exists.
        launcher: Starts the compiler.
        capture: Captures its output, up to a number of bytes.
        cpu_time_ms: The usual limit of a build's processor time. Programs with a lower limit are built in
            their own sandboxes.
    """

    idle_s = _IDLE_S

    def __init__(
        self,
        compiler: Compiler,
        archive: CdsArchive,
        launcher: Launcher,
        capture: CaptureOutput,
        cpu_time_ms: int,
    ) -> None:
        self.title = f"{compiler.title}'s compiler"
        self._language = compiler.language
        self._archive = archive
        self._launcher = launcher
        self._capture = capture
        self._cpu_time_ms = cpu_time_ms
        self._program = Program(
            source=compiler.harness,
            code=Path(__file__).with_name(compiler.harness).read_bytes(),
            build=(),
            run=compiler.command,
            env=ENVIRONMENT,
            limits=replace(_LIMITS, cpu_time_ms=cpu_time_ms),
            rlimits=build_rlimits(cpu_time_ms),
        )

    def prepare(self) -> PrewarmedCompiler | None:
        """Start a compiler if its CDS archive exists."""
        with self._archive.opened() as archive:
            if archive is None:
                return None
            program = replace(self._program, descriptors={ARCHIVE_DESCRIPTOR: archive})
            return PrewarmedCompiler(self._launcher, program, self._capture)

    def serves(self, program: Program) -> bool:
        """Whether a program is a single, small file whose build may use the usual processor time."""
        return (
            program.language == self._language
            and program.files is None
            and len(_request(program)) <= _LARGEST_REQUEST
            and program.limits.build_cpu_time_ms >= self._cpu_time_ms
        )


def _request(program: Program) -> bytes:
    return program.source.encode() + b"\n" + program.code


def _refusal(event: RunEvent, output: CapturedOutput, program: Program, monitor: RunMonitor) -> Outcome:
    """Return the same outcome as if the compiler had run in the program's sandbox."""
    output.stdout.file.close()
    output.build.file.close()
    result = classify(
        Observation(
            event=event,
            limits=program.limits,
            stdout=Output(),
            stderr=Output(),
            compile_output=output.stderr.output(),
            output_bytes=0,
            cancelled_after_ms=monitor.milliseconds_since_cancel(),
        )
    )
    return Outcome(result, io.BytesIO(), output.stderr.rewound())
