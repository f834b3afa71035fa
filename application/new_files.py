"""Bytes and files from callers and programs, on their way to the store."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import IO, Self, TypeAlias

from domain.blob import BlobRef

_PIECE = 256 << 10

BlobContent: TypeAlias = bytes | Callable[[], IO[bytes]]


@dataclass(frozen=True, slots=True)
class NewBlob:
    """Bytes given by a caller or written by a program.

    Attributes:
        content: None if the tenant already has the bytes, with another job.
    """

    ref: BlobRef
    content: BlobContent | None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return bytes with their reference."""
        return cls(BlobRef.of(content), content)

    def open(self) -> IO[bytes]:
        """Return a file with the bytes, positioned at its start."""
        return self.content() if callable(self.content) else BytesIO(self.content or b"")

    def read(self) -> bytes:
        """Return the bytes; empty if the tenant already has them."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes in pieces; nothing if the tenant already has them."""
        with self.open() as file:
            yield from iter(partial(file.read, _PIECE), b"")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file given by a caller, under the caller's path."""

    path: str
    blob: NewBlob
