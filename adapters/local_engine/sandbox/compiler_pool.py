"""A compiler that is started ahead of the job, for its own start takes longer than its work."""

import io
import logging
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Timer
from typing import IO, Self

from adapters.local_engine.sandbox.capture import CapturedOutput
from adapters.local_engine.sandbox.cds_archive import CdsArchive
from adapters.local_engine.sandbox.files import sealed_copy
from adapters.local_engine.sandbox.launch_script import ARCHIVE_DESCRIPTOR, ARCHIVE_PATH
from adapters.local_engine.sandbox.launcher import Connection, Launcher
from adapters.local_engine.sandbox.outcome import Observation, classify
from adapters.local_engine.sandbox.program import Program, build_rlimits
from adapters.local_engine.sandbox.run_monitor import NullObserver, RunMonitor
from adapters.local_engine.sandbox.supervisor.protocol import GO, RunEvent
from adapters.local_engine.toolchains import SYSTEM_PATH, Toolchain, fill
from application.ports.execution_engine import EngineReport
from domain.execution import Output
from domain.limits import STANDARD_LIMITS, Limits

_log = logging.getLogger("service_server.local_engine")

_MIB = 1 << 20
# What a pipe takes without a reader. Larger programs are built in their own boxes.
_LARGEST_REQUEST = 65_536
# What it adds to the compiler's own status, whatever that is: the program is at fault. A status from 128 on
# is a signal's.
_REFUSED = 64
_SIGNALLED = 128
_UNPACK = ("/bin/tar", "--extract", "--touch", "--file", ARCHIVE_PATH)
# A compiler that nobody needs for five minutes is not kept.
_LIMITS = STANDARD_LIMITS.resolve({"timeout_ms": 300_000, "memory_mb": 1024, "disk_mb": 256, "output_mb": 64})


@dataclass(frozen=True, slots=True)
class _Parked:
    """A compiler that waits for a program on its stdin."""

    resources: ExitStack
    connection: Connection
    stdin: IO[bytes]

    def hand_over(self, request: bytes) -> bool:
        """Give it the program; return whether that can be done."""
        with suppress(BrokenPipeError), self.stdin:
            self.stdin.write(request)
            return True
        return False


class CompilerPool:
    """Keeps one compiler waiting, in a box of its own, for the next program. Each compiles one only.

    Without one the program is built where it runs. Either way its directory has the same files in it.

    Args:
        toolchain: A row of the table that has a compiler to be made ready.
        executables: The paths of its executables.
        launcher: What starts it, as confined as the programs are.
        directory: Where its output may be kept for a moment, and the archive of its classes for good.
        is_kept_ready: Whether a compiler waits at all.
        usual_limits: Those that most jobs have. One whose build may use less processor time is built apart.
        inline_output_bytes: How much of its words a result holds.
    """

    def __init__(
        self,
        toolchain: Toolchain,
        executables: Mapping[str, str],
        launcher: Launcher,
        directory: Path,
        *,
        is_kept_ready: bool,
        usual_limits: Limits,
        inline_output_bytes: int,
    ) -> None:
        self.archive = CdsArchive(toolchain, executables, directory)
        self._launcher = launcher
        self._directory = directory
        self._cpu_time_ms = usual_limits.build_cpu_time_ms
        self._inline_output_bytes = inline_output_bytes
        self._program = _program(toolchain, executables, self._cpu_time_ms)
        self._lock = Lock()
        self._parked: _Parked | None = None
        self._is_kept_ready = is_kept_ready

    @contextmanager
    def build(self, program: Program, running: RunMonitor) -> Iterator[Program | EngineReport]:
        """Compile a program.

        Yields:
            The program, which has less to build if a compiler was ready for it; or why it cannot be built.
        """
        request = program.source.encode() + b"\n" + program.code
        serves = len(request) <= _LARGEST_REQUEST and program.limits.build_cpu_time_ms >= self._cpu_time_ms
        parked = self._take() if serves else None
        try:
            with ExitStack() as resources:
                if parked is None:
                    yield program
                else:
                    yield self._build(parked, request, program, running, resources)
        finally:
            self._park()

    def close(self) -> None:
        """End the compiler that waits."""
        with self._lock:
            self._is_kept_ready = False
        if parked := self._take():
            parked.resources.close()
        self.archive.close()

    def _take(self) -> _Parked | None:
        with self._lock:
            parked, self._parked = self._parked, None
            return parked

    def _park(self) -> None:
        """Start a compiler, if there is none and there is an archive to start it with."""
        with self._lock, self.archive.opened() as archive:
            if archive is None or self._parked is not None or not self._is_kept_ready:
                return
            try:
                self._parked = self._start(replace(self._program, descriptors={ARCHIVE_DESCRIPTOR: archive}))
            except OSError as error:
                _log.warning("no compiler could be made ready: %s", error.strerror)

    def _start(self, program: Program) -> _Parked:
        with ExitStack() as resources:
            reader, writer = os.pipe()
            stdin = resources.enter_context(os.fdopen(writer, "wb", buffering=0))
            try:
                connection = resources.enter_context(self._launcher.launched(program, reader))
                connection.control_socket.send(GO)  # a compiler is no program of a caller's
            finally:
                os.close(reader)
            return _Parked(resources.pop_all(), connection, stdin)

    def _build(
        self, parked: _Parked, request: bytes, program: Program, running: RunMonitor, resources: ExitStack
    ) -> Program | EngineReport:
        with parked.resources:
            if not parked.hand_over(request):
                return program
            self._park()
            return self._follow(parked.connection, program, running, resources)

    def _follow(
        self, ours: Connection, program: Program, running: RunMonitor, resources: ExitStack
    ) -> Program | EngineReport:
        began = time.monotonic()
        output = CapturedOutput(_LIMITS.output_mb * _MIB, self._inline_output_bytes, self._directory)
        streams = {ours.stdout: output.stdout, ours.stderr: output.stderr}
        with _Deadline(ours.control_socket, program.limits.build_timeout_ms) as deadline:
            event = running.follow(ours.control_socket, streams, output, NullObserver())
        if event is not None and (deadline.is_over or _REFUSED < (event.exit_code or 0) < _SIGNALLED):
            event = replace(event, wall_ms=_milliseconds_since(began))
            return self._refusal(event, output, program.limits, deadline, running)
        with closing(output):
            if event is None or event.exit_code != 0:
                return replace(program, build_spent_ms=_milliseconds_since(began))
            built = sealed_copy(output.stdout.rewound())
            resources.callback(os.close, built)
            return replace(
                program,
                build=_UNPACK,
                descriptors={ARCHIVE_DESCRIPTOR: built},
                compile_output=output.stderr.output(),
            )

    def _refusal(
        self,
        event: RunEvent,
        output: CapturedOutput,
        limits: Limits,
        deadline: "_Deadline",
        running: RunMonitor,
    ) -> EngineReport:
        """Say what the compiler said, as if it had run in the program's box."""
        output.stdout.file.close()
        output.build.file.close()
        limit = "build_timeout_ms" if deadline.is_over else None
        exit_code = None if deadline.is_over else (event.exit_code or 0) - _REFUSED
        result = classify(
            Observation(
                event=replace(event, announced=False, in_build=True, exit_code=exit_code, limit=limit),
                limits=limits,
                stdout=Output(),
                stderr=Output(),
                compile_output=output.stderr.output(),
                output_bytes=0,
                cancelled_after_ms=running.milliseconds_since_cancel(),
            )
        )
        return EngineReport(result, io.BytesIO(), output.stderr.rewound())


class _Deadline:
    """Kills a program when its time is over."""

    def __init__(self, control_socket: socket.socket, timeout_ms: int) -> None:
        self.is_over = False
        self._control_socket = control_socket
        self._timer = Timer(timeout_ms / 1000, self._end)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()

    def _end(self) -> None:
        self.is_over = True
        with suppress(OSError):  # it has ended at the same moment
            self._control_socket.send(b"\0")


def _milliseconds_since(began: float) -> int:
    return math.ceil(1000 * (time.monotonic() - began))


def _program(toolchain: Toolchain, executables: Mapping[str, str], cpu_time_ms: int) -> Program:
    name = toolchain.compiler["ready"]
    names = {**executables, "archive": ARCHIVE_PATH, "compiler": name, "source": "-"}
    return Program(
        source=name,
        code=Path(__file__).with_name(name).read_bytes(),
        build=(),
        run=fill(toolchain.build_with_archive("use"), names),
        env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"},
        limits=replace(_LIMITS, cpu_time_ms=cpu_time_ms),
        rlimits=build_rlimits(cpu_time_ms),
    )
