"""Storage of an upload's files on this machine's disk while the upload is received."""

import hashlib
import io
import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self
from weakref import finalize

from application.new_files import NewBlob
from domain.blob import BlobRef
from domain.catalogue.text import text
from domain.errors import TooLarge


class FileSpool:
    """Receives files one after the other, into one unnamed temporary file.

    Args:
        max_bytes: The maximum total size.
        release: Called once, when the disk space is freed.

    Attributes:
        size: The total size of the received bytes.
    """

    def __init__(self, max_bytes: int | None = None, release: Callable[[], object] | None = None) -> None:
        self._held = ExitStack()
        if release is not None:
            self._held.callback(release)
        self._release = finalize(self, self._held.close)
        self._file: IO[bytes] | None = None
        self._max_bytes = max_bytes
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the disk space."""
        self._release()

    def add(self, pieces: Iterable[bytes]) -> NewBlob:
        """Receive a file; return it with the reference to its content."""
        file = self.begin()
        for piece in pieces:
            file.write(piece)
        return file.finish()

    def begin(self) -> "SpooledFile":
        """Begin a file; the previous one must be finished."""
        return SpooledFile(self, self.size)

    def append(self, piece: bytes | bytearray) -> None:
        """Write a piece of the current file.

        Raises:
            TooLarge: It would exceed the maximum size.
        """
        if self._max_bytes is not None and self.size + len(piece) > self._max_bytes:
            raise TooLarge("files", text("problems.files_of_request", maximum=self._max_bytes))
        if self._file is None:
            self._file = self._held.enter_context(TemporaryFile(buffering=0))  # noqa: SIM115 - so it is
        rest = memoryview(piece)
        while rest:
            written = os.pwrite(self._file.fileno(), rest, self.size)
            self.size += written
            rest = rest[written:]

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from an offset; fewer at the end."""
        return b"" if self._file is None else os.pread(self._file.fileno(), size, offset)


class SpooledFile:
    """A file that is being received."""

    def __init__(self, spool: FileSpool, begin: int) -> None:
        self._spool = spool
        self._begin = begin
        self._digest = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes | bytearray) -> None:
        """Receive a piece of the file."""
        self._spool.append(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def finish(self) -> NewBlob:
        """Return the file with the reference to its content, which can be read until the spool is closed."""
        blob = BlobRef(self._digest.hexdigest(), self.size)
        return NewBlob(blob, partial(_open, self._spool, self._begin, self.size))


class _Slice(io.RawIOBase):
    """The bytes of one file. Several readers can each have their own position."""

    def __init__(self, spool: FileSpool, begin: int, size: int) -> None:
        super().__init__()
        self._spool, self._place, self._end = spool, begin, begin + size
        self._begin = begin

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: self._begin, io.SEEK_CUR: self._place, io.SEEK_END: self._end}[whence]
        self._place = max(base + offset, self._begin)
        return self._place - self._begin

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any buffer
        piece = self._spool.read(self._place, max(min(len(buffer), self._end - self._place), 0))
        buffer[: len(piece)] = piece
        self._place += len(piece)
        return len(piece)


def _open(spool: FileSpool, begin: int, size: int) -> IO[bytes]:
    return io.BufferedReader(_Slice(spool, begin, size), 256 << 10)
