"""Bytes and files that callers bring, and that programs write, on their way to the store."""

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
    """Bytes that a caller brings.

    Attributes:
        content: None if its tenant has it already, with another job.
    """

    ref: BlobRef
    content: BlobContent | None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return some bytes with their reference."""
        return cls(BlobRef.of(content), content)

    def open(self) -> IO[bytes]:
        """Return a file with the bytes, at its start."""
        return self.content() if callable(self.content) else BytesIO(self.content or b"")

    def read(self) -> bytes:
        """Return the bytes; none for ones that the tenant has already."""
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield the bytes in pieces; none for ones that the tenant has already."""
        with self.open() as file:
            yield from iter(partial(file.read, _PIECE), b"")


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that a caller brings, under the path that the caller gave it."""

    path: str
    blob: NewBlob
