from collections.abc import Iterator
from typing import IO


def in_parts(stream: IO[bytes], size: int) -> Iterator[bytes]:
    """Read a stream in parts of that size; only the last may be smaller."""
    while part := _read_whole(stream, size):
        yield part


def _read_whole(stream: IO[bytes], size: int) -> bytes:
    """Return so many bytes of a stream, or all that it has: one read of a pipe may give fewer."""
    pieces = []
    while size and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
