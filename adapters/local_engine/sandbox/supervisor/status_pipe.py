"""The supervisor's end of the status pipe. `protocol.py` lists the messages."""

import json
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from adapters.local_engine.sandbox.supervisor.protocol import MAX_MESSAGE_BYTES, Status

_ORDER = tuple(status for status in Status if status is not Status.USAGE)
# The status and the struct rusage of wait4(2), of which only ru_maxrss is used.
_WAIT4 = struct.Struct("=i32xq104x")
_NOT_OURS = (ValueError, TypeError, KeyError, OverflowError, RecursionError, struct.error)


@dataclass(frozen=True, slots=True)
class End:
    """The end of a program, as reported by its parent.

    Attributes:
        status: The status of wait(2).
        memory_kb: The peak memory.
    """

    status: int
    memory_kb: int


class StatusPipe:
    """Reads the status of a run.

    Each status comes at most once, in the order of `Status`. Some may be missing during a build, because a
    compiler can read the pipe. Any other message was written by a program that got access to the pipe, so the
    pipe is not read any more.

    Attributes:
        descriptor: The pipe, which does not block.
        last: The last status; None if there was none.
        is_over: Whether nothing more is read.
        end: The reaper's report; None if there is no reaper, or it was killed.
        error: Why the program's files could not be unpacked.
        unpacking_s: The processor time of unpacking the program's files.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.last: Status | None = None
        self.is_over = False
        self.end: End | None = None
        self.error = ""
        self.unpacking_s = 0.0

    def read(self) -> Iterator[Status]:
        """Read the statuses that have arrived."""
        lines = read_available(self.descriptor).splitlines()
        self.is_over = not lines
        for line in lines:
            try:
                message = json.loads(line)
                status = Status(message["status"])
                self._check_order(status)
                if status is Status.ENDED:
                    self.end = _end(message)
                elif status is Status.FAILED:
                    self.error = str(message["error"])
                elif status is Status.UNPACKED:
                    self.unpacking_s = float(message["cpu_s"])
            except _NOT_OURS:
                self.is_over = True
                return
            self.last = status
            yield status

    def exit_code_and_signal(self, status: int) -> tuple[int | None, int | None]:
        """Return how the program ended, as reported by its reaper or, without one, by the first process."""
        code = os.waitstatus_to_exitcode(status if self.end is None else self.end.status)
        return (code, None) if code >= 0 else (None, -code)

    def _check_order(self, status: Status) -> None:
        place = _ORDER.index(status)
        if self.last is not None and place <= _ORDER.index(self.last):
            raise ValueError(status)


def _end(message: Any) -> End:  # noqa: ANN401 - untrusted, from a pipe
    return End(*_WAIT4.unpack(bytes.fromhex(message["wait4"])))


def read_available(descriptor: int) -> bytes:
    """Return the available bytes; none if the other end is closed or has written nothing."""
    try:
        return os.read(descriptor, MAX_MESSAGE_BYTES)
    except OSError:
        return b""
