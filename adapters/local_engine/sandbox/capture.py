"""What a program writes, kept in bounded memory."""

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import IO

from adapters.common.overflow_file import OverflowFile
from application.ports.output_feed import OutputChunk, Stream
from domain.execution import Output

_CONTINUATION = range(0x80, 0xC0)
_LONGEST_CHARACTER = 4


class Capture:
    """One stream: all its bytes, and of many the head and the tail in memory."""

    def __init__(
        self, stream: Stream, take: Callable[[int], int], inline_bytes: int, directory: Path
    ) -> None:
        self._stream = stream
        self._take = take
        self._half = inline_bytes // 2
        self._head = b""
        self._tail = b""
        self._total = 0
        self._is_cut = False
        self.file = OverflowFile(inline_bytes, directory)

    def write(self, data: bytes) -> OutputChunk | None:
        """Add bytes; return those within the budget as a chunk, None if there are none.

        What is over the budget is nowhere: offsets, counts and the log tell of the same bytes.
        """
        granted = data[: self._take(len(data))]
        self._is_cut = self._is_cut or len(granted) < len(data)
        chunk = OutputChunk(self._stream, self._total, granted)
        self._total += len(granted)
        room = self._half - len(self._head)
        self._head += granted[:room]
        self._tail = (self._tail + granted[room:])[-self._half :]
        self.file.write(granted)
        return chunk if granted else None

    def output(self) -> Output:
        """Return the text of the stream, or of its head and tail."""
        shown = len(self._head) + len(self._tail)
        if shown == self._total:
            return Output(_text(self._head + self._tail), self._total, truncated=self._is_cut)
        head = _without_broken_end(self._head)
        tail = _without_broken_start(self._tail)
        omitted = self._total - len(head) - len(tail)
        text = f"{_text(head)}\n[... {omitted} bytes omitted ...]\n{_text(tail)}"
        return Output(text, self._total, truncated=True)

    def rewound(self) -> IO[bytes]:
        """Return all the bytes, to be read from their start."""
        return self.file.rewound()


class _Budget:
    """How many bytes may be written.

    Attributes:
        used: How many were, those that are over the limit included.
    """

    def __init__(self, allowed: int) -> None:
        self._allowed = allowed
        self.used = 0

    @property
    def is_exceeded(self) -> bool:
        """Whether more was written than is allowed."""
        return self.used > self._allowed

    def take(self, size: int) -> int:
        """Count bytes that were written; return how many of them are within the limit."""
        granted = max(0, min(size, self._allowed - self.used))
        self.used += size
        return granted


class CapturedOutput:
    """Both streams of a program, how many bytes they may have together, and what its build wrote.

    A build has a budget of its own, of the same size. If it fails, its messages are the program's stderr.
    """

    def __init__(self, allowed: int, inline_bytes: int, directory: Path) -> None:
        self._budget, self._build_budget = _Budget(allowed), _Budget(allowed)
        self.stdout = Capture(Stream.STDOUT, self._budget.take, inline_bytes, directory)
        self.stderr = Capture(Stream.STDERR, self._budget.take, inline_bytes, directory)
        self.build = Capture(Stream.STDERR, self._build_budget.take, inline_bytes, directory)

    @property
    def used(self) -> int:
        """How many bytes the program wrote, those that are over the limit included."""
        return self._budget.used

    @property
    def build_used(self) -> int:
        """How many bytes the build wrote, those that are over its limit included."""
        return self._build_budget.used

    @property
    def is_exceeded(self) -> bool:
        """Whether the program, or its build, wrote more than is allowed."""
        return self._budget.is_exceeded or self._build_budget.is_exceeded

    def close(self) -> None:
        """Let go of all files."""
        for capture in (self.stdout, self.stderr, self.build):
            capture.file.close()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _without_broken_end(data: bytes) -> bytes:
    """Leave out a character that is cut off at the end; what was never a character stays."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(data)
    pending, _ = decoder.getstate()
    return data[: len(data) - len(pending)]


def _without_broken_start(data: bytes) -> bytes:
    """Leave out the rest of a character whose beginning is cut off."""
    start = 0
    while start < min(_LONGEST_CHARACTER - 1, len(data)) and data[start] in _CONTINUATION:
        start += 1
    return data[start:]
