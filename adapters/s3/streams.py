from typing import IO


def read_head(stream: IO[bytes], size: int) -> bytes:
    """Return so many bytes of a stream, or all that it has: one read of a pipe may give fewer."""
    pieces = []
    while size and (piece := stream.read(size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


class Rejoined:
    """A stream whose head has been read, from its beginning.

    It cannot be closed: boto3 closes what it is given when that could not be stored, and the owner of the
    stream may want to try again.
    """

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as many as that at most, or all that are left."""
        if size < 0:
            return self.read(len(self._head)) + self._rest.read()
        if not self._head:
            return self._rest.read(size) if size else b""
        taken, self._head = self._head[:size], self._head[size:]
        return taken
