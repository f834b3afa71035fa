"""Bytes and files that callers bring, and that programs write, on their way to the store."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Self, TypeAlias

from domain.blob import BlobRef

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

    def read(self) -> bytes:
        """Return the bytes; none for ones that the tenant has already."""
        if self.content is None or isinstance(self.content, bytes):
            return self.content or b""
        with self.content() as file:
            return file.read()


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file that a caller brings, under the path that the caller gave it."""

    path: str
    blob: NewBlob
