"""The pipes between a program and its interactor."""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import Self

from adapters.local_engine.sandbox import pump
from adapters.local_engine.sandbox.run_monitor import RunMonitor

_MIB = 1 << 20
# Mode of the pipes: programs run as another user than the owner of the pipe, and may open /dev/stdin.
_EVERYBODY_MAY_OPEN = 0o666


class Conversation:
    """Two pipes between two programs, and the order in which the programs end.

    The service holds the ends of each program open until that program has ended. So the other program cannot
    see end of file before the order is recorded. After the first program has ended, the service reads its
    input until the second program ends, which would otherwise fail with a broken pipe.

    Args:
        pump_path: The executable that limits the first program's output; None for no limit.
        output_mb: The limit, in mebibytes.
        monitor: Cancels the first program when it exceeds the limit.

    Attributes:
        ended_first: The number of the program that ended first.
        is_exceeded: Whether the first program exceeded the limit; known when the context has ended.
    """

    def __init__(self, pump_path: Path | None, output_mb: int, monitor: RunMonitor | None) -> None:
        self.ended_first: int | None = None
        self.is_exceeded = False
        self._pump_path = pump_path
        self._output_bytes = output_mb * _MIB
        self._monitor = monitor
        self._watcher: Thread | None = None
        self._lock = Lock()
        self._held = ExitStack()
        self._ends: list[ExitStack] = []
        self._pipes: list[tuple[int, int]] = []

    def __enter__(self) -> Self:
        with ExitStack() as on_failure:
            (reader, other_writer), (other_reader, writer) = _pipe(on_failure), _pipe(on_failure)
            if self._pump_path is not None:
                target, (source, writer) = writer, _pipe(on_failure)
                self._start_pump(self._pump_path, source, target)
            on_failure.pop_all()
        self._pipes = [(reader, writer), (other_reader, other_writer)]
        for pipes in self._pipes:
            ends = self._held.enter_context(ExitStack())
            self._ends.append(ends)
            for end in pipes:
                ends.callback(os.close, end)
                os.fchmod(end, _EVERYBODY_MAY_OPEN)  # see above
                if end == reader:  # drained after `writer` is closed: callbacks run in reverse order
                    ends.callback(_drain, end)
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        if self._watcher is not None:
            self._watcher.join()

    def _start_pump(self, path: Path, source: int, target: int) -> None:
        """Start the pump and its watcher, which own the descriptors then; if that fails, neither is left."""
        pid = pump.start(path, source, target, self._output_bytes)
        watcher = Thread(target=self._watch, args=(pid, target), name="pump")
        try:
            watcher.start()
        except RuntimeError:  # no thread can be started
            os.kill(pid, signal.SIGKILL)
            pump.wait(pid)
            raise
        self._watcher = watcher
        os.close(source)

    def _watch(self, pid: int, target: int) -> None:
        """Wait for the pump. If the limit is exceeded, record the first program's end and cancel it."""
        self.is_exceeded = pump.wait(pid)
        if self.is_exceeded:
            with self._lock:
                if self.ended_first is None:
                    self.ended_first = 0
        os.close(target)
        if self.is_exceeded and self._monitor is not None:
            self._monitor.cancel()

    @contextmanager
    def place(self, number: int) -> Iterator[tuple[int, int]]:
        """Yield the pipe ends of a program; when the context ends, record that the program has ended."""
        try:
            yield self._pipes[number]
        finally:
            with self._lock:
                if self.ended_first is None:
                    self.ended_first = number
            self._ends[number].close()


def _pipe(on_failure: ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    on_failure.callback(os.close, reader)
    on_failure.callback(os.close, writer)
    return reader, writer


def _drain(reader: int) -> None:
    """Read from a pipe until nothing can write to it any more."""
    os.set_blocking(reader, True)  # the program shared the open file and may have changed its mode
    while os.read(reader, _MIB):
        continue
