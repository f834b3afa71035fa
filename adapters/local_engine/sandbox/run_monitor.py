"""The service's side of one run: events, output and cancellation."""

import contextlib
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable, Iterable
from threading import Lock

from adapters.local_engine.sandbox.capture import Capture, CapturedOutput
from adapters.local_engine.sandbox.launcher import Connection
from adapters.local_engine.sandbox.supervisor.protocol import START, STOP, RunEvent, Status
from application.ports.output_feed import OutputChunk, UsageSample

_PIECE = 65_536
# Waking up for every line takes longer than the program takes to write it. So the monitor pauses when small
# writes follow each other closely, and enlarges the pipes to keep the program from blocking meanwhile.
_LITTLE = 4_096
_BURST_S = 0.002
_PAUSE_S = 0.001
_PIPE_BYTES = 262_144
_READY = select.POLLIN | select.POLLHUP | select.POLLERR

OnStart = Callable[[], None]
OnOutput = Callable[[OutputChunk], None]
OnUsage = Callable[[UsageSample], None]


def ignore(*_: object) -> None:
    """Do nothing."""


class RunMonitor:
    """Follows a run and kills it when it is cancelled.

    Attributes:
        has_followed: Whether it has followed a run, which may have started.
    """

    def __init__(self) -> None:
        self.has_followed = False
        self._lock = Lock()
        self._control_socket: socket.socket | None = None
        self._cancelled_at: float | None = None

    def cancel(self) -> None:
        """Kill the program, at once or as soon as it is launched. Thread-safe."""
        with self._lock:
            self._cancelled_at = self._cancelled_at or time.monotonic()
            self._kill()

    def milliseconds_since_cancel(self) -> int | None:
        """Return the time since the run was cancelled; None if it was not."""
        return None if self._cancelled_at is None else round((time.monotonic() - self._cancelled_at) * 1000)

    def start(self, control_socket: socket.socket, command: bytes = START) -> bool:
        """Send the command that starts a program, unless it was cancelled.

        Returns:
            False if the supervisor has ended.
        """
        with self._lock:
            try:
                if self._cancelled_at is None:
                    control_socket.send(command)
            except OSError:
                return False
        return True

    def follow(
        self,
        connection: Connection,
        output: CapturedOutput,
        on_start: OnStart = ignore,
        on_output: OnOutput = ignore,
        on_usage: OnUsage = ignore,
    ) -> RunEvent | None:
        """Capture the output of a program until its last process has ended.

        A program that is ready starts when `on_start` returns, unless it was cancelled meanwhile. An error in
        a callback kills the program and is raised once the program has ended.

        Args:
            connection: The run. Its control socket is closed at the end.
            output: Captures the streams; the program is killed when they exceed the budget.
            on_start: Called when the program is ready.
            on_output: Called with each chunk of the program's output, but not of its build's.
            on_usage: Called with the program's usage about once a second while it runs.

        Returns:
            The final event; None if the supervisor ended first.
        """
        self.has_followed = True
        with connection.control_socket as control_socket:
            self._hold(control_socket)
            try:
                return self._follow(connection, output, on_start, on_output, on_usage)
            except BaseException:
                self._end(connection)
                raise
            finally:
                self._hold(None)

    def _hold(self, control_socket: socket.socket | None) -> None:
        with self._lock:
            self._control_socket = control_socket
            if self._cancelled_at is not None:
                self._kill()

    def _end(self, connection: Connection) -> None:
        """Kill the program and wait until its last process has ended."""
        with self._lock:
            self._kill()
        while (event := connection.next_event()) is not None and event.status is not Status.ENDED:
            continue

    def _kill(self) -> None:
        if self._control_socket is not None:
            with contextlib.suppress(OSError):  # the supervisor has ended, and the program with it
                self._control_socket.send(STOP)

    def _follow(
        self,
        connection: Connection,
        output: CapturedOutput,
        on_start: OnStart,
        on_output: OnOutput,
        on_usage: OnUsage,
    ) -> RunEvent | None:
        control_socket = connection.control_socket
        streams = {
            connection.stdout: (output.stdout, on_output),
            connection.stderr: (output.stderr, on_output),
        }
        if connection.build_output is not None:
            streams[connection.build_output] = (output.build, ignore)
        poll = select.poll()
        for descriptor in (control_socket.fileno(), *streams):
            poll.register(descriptor, _READY)
        looked_at = 0.0
        while True:
            ready = {descriptor for descriptor, _ in poll.poll()}
            readable = ready & streams.keys()
            sizes = {descriptor: _read(descriptor, *streams[descriptor]) for descriptor in readable}
            for descriptor in (descriptor for descriptor, size in sizes.items() if not size):
                poll.unregister(descriptor)
            if output.is_exceeded:
                self._kill()
            if control_socket.fileno() not in ready:
                if max(sizes.values(), default=0) < _LITTLE and time.monotonic() - looked_at < _BURST_S:
                    _enlarge(readable)
                    time.sleep(_PAUSE_S)
                looked_at = time.monotonic()
                continue
            event = connection.next_event()
            if event is not None and event.status in {Status.READY, Status.USAGE}:
                self._go_on(event, control_socket, on_start, on_usage)
                continue
            for descriptor, stream in streams.items():
                _drain(descriptor, *stream)
            return event

    def _go_on(
        self, event: RunEvent, control_socket: socket.socket, on_start: OnStart, on_usage: OnUsage
    ) -> None:
        if event.status is Status.USAGE:
            on_usage(_usage(event))
            return
        on_start()
        self.start(control_socket)


def _usage(event: RunEvent) -> UsageSample:
    return UsageSample(
        execution_time_ms=event.wall_ms,
        cpu_time_ms=event.cpu_ms,
        memory_mb=round(event.tree_memory_kb / 1024, 1) if event.tree_memory_kb else None,
        processes=event.processes,
    )


class BufferUntilStarted:
    """Buffers output until the program has started, because the output of a failed warm start is dropped."""

    def __init__(self, on_output: OnOutput) -> None:
        self._on_output = on_output
        self._early: list[OutputChunk] = []
        self._has_started = False

    def started(self) -> None:
        """Pass on the buffered output."""
        self._has_started = True
        for chunk in self._early:
            self._on_output(chunk)
        self._early.clear()

    def output(self, chunk: OutputChunk) -> None:
        """Pass a chunk on if the program has started; buffer it otherwise."""
        if self._has_started:
            self._on_output(chunk)
        else:
            self._early.append(chunk)


def _read(descriptor: int, capture: Capture, on_output: OnOutput) -> int:
    """Read one piece; return its size, 0 at the end of the stream."""
    data = os.read(descriptor, _PIECE)
    if chunk := capture.write(data):
        on_output(chunk)
    return len(data)


def _enlarge(pipes: Iterable[int]) -> None:
    for pipe in pipes:
        with contextlib.suppress(OSError):  # the user's quota of memory for pipes is used up (pipe(7))
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _drain(descriptor: int, capture: Capture, on_output: OnOutput) -> None:
    """Read the rest of the pipe without blocking, even if a leftover process holds its other end open."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while _read(descriptor, capture, on_output):
            continue
