"""The output of a program, captured in bounded memory."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from adapters.common.overflow_file import OverflowFile
from adapters.local_engine.sandbox.artifacts import CollectedFiles
from application.ports.output_feed import OutputChunk, Stream
from domain.execution import Output


class Capture:
    """Captures all bytes of one stream, in memory or, once there are many, on disk."""

    def __init__(
        self, stream: Stream, take: Callable[[int], int], inline_bytes: int, directory: Path
    ) -> None:
        self._stream = stream
        self._take = take
        self._inline_bytes = inline_bytes
        self._total = 0
        self._is_cut = False
        self.file = OverflowFile(inline_bytes, directory)

    def write(self, data: bytes) -> OutputChunk | None:
        """Add bytes; return the part within the budget as a chunk, None if it is empty.

        Bytes over the budget are dropped, so that offsets, counts and the log agree.
        """
        granted = data[: self._take(len(data))]
        self._is_cut = self._is_cut or len(granted) < len(data)
        chunk = OutputChunk(self._stream, self._total, granted)
        self._total += len(granted)
        self.file.write(granted)
        return chunk if granted else None

    def output(self) -> Output:
        """Return the text of the stream, or of its head and tail."""
        half = self._inline_bytes // 2
        tail_begin = max(half, self._total - half)
        pieces = {tail_begin: self.file.read(tail_begin, self._total), 0: self.file.read(0, half)}
        output = Output.of_pieces(pieces, 2 * half, self._total)
        return replace(output, truncated=output.truncated or self._is_cut)

    def rewound(self) -> IO[bytes]:
        """Return the file with all bytes, positioned at its start."""
        return self.file.rewound()


class _Budget:
    """A budget of bytes to write.

    Attributes:
        used: The number of bytes written, including bytes over the limit.
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
    """Both streams of a program with their common budget, and the output of its build.

    A build has its own budget. If the build fails, its messages are the program's stderr.

    Args:
        allowed: The number of bytes that the program may write to both streams together.
        inline_bytes: The number of bytes of each stream that a result holds.
        directory: The directory for streams that do not fit in memory.
        build_allowed: The number of bytes that the build may write; None for as many as the program.

    Attributes:
        collected: The wanted files that the program wrote.
    """

    collected: CollectedFiles | None = None

    def __init__(
        self, allowed: int, inline_bytes: int, directory: Path, build_allowed: int | None = None
    ) -> None:
        self.budget = _Budget(allowed)
        self.build_budget = _Budget(allowed if build_allowed is None else build_allowed)
        self.stdout = Capture(Stream.STDOUT, self.budget.take, inline_bytes, directory)
        self.stderr = Capture(Stream.STDERR, self.budget.take, inline_bytes, directory)
        self.build = Capture(Stream.STDERR, self.build_budget.take, inline_bytes, directory)

    @property
    def is_exceeded(self) -> bool:
        """Whether the program, or its build, wrote more than is allowed."""
        return self.budget.is_exceeded or self.build_budget.is_exceeded

    def close(self) -> None:
        """Close all files."""
        for capture in (self.stdout, self.stderr, self.build):
            capture.file.close()
