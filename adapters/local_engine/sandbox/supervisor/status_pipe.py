"""What is said between an order and its program, and of a signal that ended it: in a pipe of the shell's."""

import os
import struct
from dataclasses import dataclass

from adapters.local_engine.sandbox.supervisor.protocol import (
    ANNOUNCEMENT,
    BUILD_BEGINS,
    BUILD_ENDED,
    MAX_MESSAGE_BYTES,
)

_SHELL_SIGNAL_BASE = 128
# What a reaper writes: a mark, the status and the struct rusage of wait4(2), of which ru_maxrss counts.
_REPORT = struct.Struct("=4si32xq104x")
_MARK = b"\0end"


@dataclass(frozen=True, slots=True)
class Report:
    """The words of a program's parent.

    Attributes:
        status: As wait(2) has it.
        memory_kb: Its peak.
    """

    status: int
    memory_kb: int


class StatusPipe:
    """Hears what is said.

    Attributes:
        descriptor: The pipe, which does not block.
        in_build: Whether the build has begun, and has not ended well.
        is_over: Whether there is nothing more to hear.
        report: What the reaper said at the program's end; None if there is none, or it was killed.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.in_build = False
        self.is_over = False
        self.report: Report | None = None
        self._shell_spoke = False

    def hear(self, *, awaits: bool) -> bool:
        """Take what was said; return whether that has the announcement that is awaited.

        Words of the build may be missing, for a compiler can read them. What is neither is the shell's word
        on a signal, or of a program that found its way: no more of it is heard.
        """
        said = read(self.descriptor)
        self.is_over = not said
        if awaits:
            said = self._without_words_of_build(said)
        has_come = awaits and said.startswith(ANNOUNCEMENT)
        said = self._without_report(said.removeprefix(ANNOUNCEMENT) if has_come else said)
        if said:
            self._shell_spoke = self.is_over = True
        return has_come

    def how_it_ended(self, status: int, *, exits_for_signals: bool) -> tuple[int | None, int | None]:
        """Return the program's exit code or signal: by its reaper, or by its first process's status."""
        if self.report is not None:
            status, exits_for_signals = self.report.status, False
        code = os.waitstatus_to_exitcode(status)
        if exits_for_signals and self._shell_spoke and code > _SHELL_SIGNAL_BASE:
            code = _SHELL_SIGNAL_BASE - code
        return (code, None) if code >= 0 else (None, -code)

    def _without_report(self, said: bytes) -> bytes:
        if said.startswith(_MARK) and len(said) >= _REPORT.size:
            _, status, memory_kb = _REPORT.unpack_from(said)
            self.report = Report(status, memory_kb)
            return said[_REPORT.size :]
        return said

    def _without_words_of_build(self, said: bytes) -> bytes:
        for word, in_build in ((BUILD_BEGINS, True), (BUILD_ENDED, False)):
            if said.startswith(word):
                self.in_build, said = in_build, said.removeprefix(word)
        return said


def read(descriptor: int) -> bytes:
    """Return what there is to read; nothing if the other end is gone, or has nothing to say."""
    try:
        return os.read(descriptor, MAX_MESSAGE_BYTES)
    except OSError:
        return b""
