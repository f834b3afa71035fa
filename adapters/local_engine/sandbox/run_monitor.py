import contextlib
import fcntl
import os
import select
import socket
import time
from collections.abc import Iterable, Mapping
from threading import Lock

from adapters.local_engine.sandbox.capture import Capture, CapturedOutput
from adapters.local_engine.sandbox.supervisor.protocol import (
    GO,
    MAX_MESSAGE_BYTES,
    STOP,
    RunEvent,
    RunEventKind,
)
from application.ports.execution_engine import ExecutionObserver
from application.ports.output_feed import OutputChunk
from domain.execution import Note

_PIECE = 65_536
# A program that writes a little again and again is left alone for a moment between two looks: to be woken for
# every line takes longer than to write it. Its pipe has room for a moment's lines, so that it need not wait.
_LITTLE = 4_096
_BURST_S = 0.002
_PAUSE_S = 0.001
_PIPE_BYTES = 262_144
_READY = select.POLLIN | select.POLLHUP | select.POLLERR


class RunMonitor:
    """A program that was handed to the supervisor: its life line, and what it writes."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._control_socket: socket.socket | None = None
        self._cancelled_at: float | None = None

    def cancel(self) -> None:
        """Stop the program, at once or as soon as it is started. From any thread."""
        with self._lock:
            self._cancelled_at = self._cancelled_at or time.monotonic()
            self._kill()

    def milliseconds_since_cancel(self) -> int | None:
        """How long ago it was asked to stop; None if it was not."""
        return None if self._cancelled_at is None else round((time.monotonic() - self._cancelled_at) * 1000)

    def follow(
        self,
        control_socket: socket.socket,
        streams: Mapping[int, Capture],
        output: CapturedOutput,
        observer: ExecutionObserver,
    ) -> RunEvent | None:
        """Take what the program writes until its last process is gone.

        A program that is ready starts when the observer has taken notice of that, unless it has been
        cancelled by then.

        Args:
            control_socket: What the supervisor gave for the run. It is closed at the end.
            streams: Pipes from the program, and what captures them.
            output: What both belong to; the program is killed when they have taken too much.
            observer: Who is told, but not of what a build writes. What it raises ends the program first, and
                is raised then.

        Returns:
            How it ended; None if the supervisor ended first.
        """
        with control_socket:
            self._hold(control_socket)
            try:
                return self._follow(control_socket, streams, output, observer)
            except BaseException:
                self._end(control_socket)
                raise
            finally:
                self._hold(None)

    def _hold(self, control_socket: socket.socket | None) -> None:
        with self._lock:
            self._control_socket = control_socket
            if self._cancelled_at is not None:
                self._kill()

    def _end(self, control_socket: socket.socket) -> None:
        """Kill the program and wait until its last process is gone."""
        with self._lock:
            self._kill()
        while (event := _next_event(control_socket)) is not None and event.kind is RunEventKind.READY:
            continue

    def start(self, control_socket: socket.socket) -> None:
        """Let a program start, now or as soon as it is ready, unless it has been cancelled."""
        with self._lock, contextlib.suppress(OSError):  # it has ended, and so has its supervisor
            if self._cancelled_at is None:
                control_socket.send(GO)

    def _kill(self) -> None:
        if self._control_socket is not None:
            with contextlib.suppress(OSError):  # it has ended, and so has its supervisor
                self._control_socket.send(STOP)

    def _follow(
        self,
        control_socket: socket.socket,
        streams: Mapping[int, Capture],
        output: CapturedOutput,
        observer: ExecutionObserver,
    ) -> RunEvent | None:
        observers = {each: NullObserver() if streams[each] is output.build else observer for each in streams}
        poll = select.poll()
        for descriptor in (control_socket.fileno(), *streams):
            poll.register(descriptor, _READY)
        looked_at = 0.0
        while True:
            ready = dict(poll.poll())
            taken = 0
            for descriptor in streams.keys() & ready.keys():
                size = _read(descriptor, streams[descriptor], observers[descriptor])
                taken = max(taken, size)
                if not size:
                    poll.unregister(descriptor)
            if output.is_exceeded:
                self._kill()
            if control_socket.fileno() not in ready:
                if taken < _LITTLE and time.monotonic() - looked_at < _BURST_S:
                    _enlarge(streams.keys() & ready.keys())
                    time.sleep(_PAUSE_S)
                looked_at = time.monotonic()
                continue
            event = _next_event(control_socket)
            if event is not None and event.kind is RunEventKind.READY:
                observer.started()
                self.start(control_socket)
                continue
            for descriptor, capture in streams.items():
                _drain(descriptor, capture, observers[descriptor])
            return event


class NullObserver(ExecutionObserver):
    """An observer that ignores everything it is told."""

    def started(self) -> None:
        """Do nothing."""

    def output(self, chunk: OutputChunk) -> None:
        """Do nothing."""


class BufferUntilStarted(ExecutionObserver):
    """Holds output back until the program has started: the output of a failed warm start is dropped."""

    def __init__(self, observer: ExecutionObserver) -> None:
        self._observer = observer
        self._early: list[OutputChunk] = []
        self._has_started = False

    def started(self) -> None:
        """Tell of what was written already."""
        self._has_started = True
        for chunk in self._early:
            self._observer.output(chunk)
        self._early.clear()

    def note(self, note: Note) -> None:
        """Pass it on."""
        self._observer.note(note)

    def output(self, chunk: OutputChunk) -> None:
        """Tell of it now or at the start."""
        if self._has_started:
            self._observer.output(chunk)
        else:
            self._early.append(chunk)


def _next_event(control_socket: socket.socket) -> RunEvent | None:
    try:
        data = control_socket.recv(MAX_MESSAGE_BYTES)
    except ConnectionResetError:
        return None
    return RunEvent.decode(data) if data else None


def _read(descriptor: int, capture: Capture, observer: ExecutionObserver) -> int:
    """Take one piece; return its size, 0 if no more will come."""
    data = os.read(descriptor, _PIECE)
    if chunk := capture.write(data):
        observer.output(chunk)
    return len(data)


def _enlarge(pipes: Iterable[int]) -> None:
    for pipe in pipes:
        with contextlib.suppress(OSError):  # the user's share of memory for pipes is used up (pipe(7))
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _drain(descriptor: int, capture: Capture, observer: ExecutionObserver) -> None:
    """Take what is still in the pipe, even if a process that should be gone holds its other end."""
    os.set_blocking(descriptor, False)
    with contextlib.suppress(BlockingIOError):
        while _read(descriptor, capture, observer):
            continue
