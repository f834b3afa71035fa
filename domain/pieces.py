"""Lines and tokens of a byte stream, block by block, in linear time and bounded memory.

A line or token that is longer than `LONGEST` is split into pieces of that length. They end with marks, bytes
that never occur in lines and tokens, so that a continued piece never equals a whole line or token.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

# The length of a block that is read at once, and of the longest piece, in bytes.
BLOCK = LONGEST = 1 << 16
# The last byte of a piece that the next piece continues.
MARK = b"\n"
# The continuation bytes of UTF-8.
CONTINUATION = bytes(range(0x80, 0xC0))


class ByteStream(Protocol):
    """Bytes that can be read more than once, such as an open file."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; empty at the end."""
        ...

    def seek(self, offset: int, /) -> int:
        """Move to an offset."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """A position in a text: its line and its column in characters, both from 1."""

    line: int = 1
    column: int = 1

    def after(self, data: bytes) -> "Place":
        """Return the position after bytes that begin here."""
        lines = data.count(b"\n")
        characters = len(data[data.rfind(b"\n") + 1 :].translate(None, CONTINUATION))
        return Place(self.line + lines, characters + (1 if lines else self.column))


class Pieces(ABC):
    """The pieces of a stream from its beginning, in order.

    Attributes:
        last_mark: The mark of the last piece of a line or token that is too long.
        marks: The last mark, and the `MARK` of the pieces before it.
    """

    last_mark = b""
    marks = MARK

    def __init__(self, stream: ByteStream) -> None:
        stream.seek(0)
        self._stream = stream
        self._is_at_end = False
        self._block = self._rest = b""
        self._rest_is_continued = False
        self._block_place = Place()
        self._pieces: Sequence[bytes] = ()
        self._next = 0

    def left(self) -> Sequence[bytes]:
        """Return the remaining pieces of this block, or those of the next one; empty at the end."""
        while self._next == len(self._pieces) and not self._is_at_end:
            self._read_block()
        return self._pieces[self._next :] if self._next else self._pieces

    def skip(self, count: int) -> None:
        """Skip some of the remaining pieces."""
        self._next += count

    def place(self, offset: int = 0) -> Place:
        """Return the position of a byte of the next piece, or of the end of the stream."""
        if not self.left():
            return self._block_place.after(self._block)
        return self._block_place.after(self._block[: self._offset_of_next() + offset])

    @abstractmethod
    def _split(self, data: bytes) -> list[bytes]:
        """Return the lines or tokens of a block."""

    @abstractmethod
    def _is_open(self, data: bytes) -> bool:
        """Whether the next block may continue the last piece of a block."""

    @abstractmethod
    def _offset_of_next(self) -> int:
        """Return the offset of the next piece in the block."""

    def _read_block(self) -> None:
        self._block_place = self._block_place.after(self._block)
        read = self._stream.read(BLOCK)
        self._is_at_end = not read
        data = self._rest + read
        pieces = self._split(data)
        rest = pieces.pop() if read and self._is_open(data) else b""
        rest_is_continued = self._rest_is_continued and not pieces
        if pieces and (self._rest_is_continued or max(map(len, pieces)) > LONGEST):
            pieces = self._cut(pieces)
        if len(rest) > LONGEST:
            rest_is_continued = True
            pieces.append(rest[:LONGEST] + MARK)
            rest = rest[LONGEST:]
        self._rest, self._rest_is_continued = rest, rest_is_continued
        self._block = data[: len(data) - len(rest)]
        self._pieces, self._next = pieces, 0

    def _cut(self, pieces: list[bytes]) -> list[bytes]:
        cut: list[bytes] = []
        is_continued = self._rest_is_continued
        for piece in pieces:
            *others, last = range(0, len(piece) or 1, LONGEST)
            cut += [piece[start : start + LONGEST] + MARK for start in others]
            cut.append(piece[last:] + (self.last_mark if others or is_continued else b""))
            is_continued = False
        return cut


class Lines(Pieces):
    """The lines of a stream, without their ends. The last line, which may be empty, has no end."""

    def _split(self, data: bytes) -> list[bytes]:
        return data.split(b"\n")

    def _is_open(self, data: bytes) -> bool:  # noqa: ARG002 - the last line always is
        return True

    def _offset_of_next(self) -> int:
        before = self._pieces[: self._next]
        marked = sum(piece.endswith(MARK) for piece in before)
        return sum(map(len, before)) + len(before) - 2 * marked


class Tokens(Pieces):
    """The tokens of a stream: the parts between blanks and line ends."""

    last_mark = b" "
    marks = MARK + last_mark

    def _split(self, data: bytes) -> list[bytes]:
        return data.split()

    def _is_open(self, data: bytes) -> bool:
        return not data[-1:].isspace()

    def _offset_of_next(self) -> int:
        *before, token = (piece.rstrip(self.marks) for piece in self._pieces[: self._next + 1])
        end = 0
        for earlier in before:
            end = self._block.find(earlier, end) + len(earlier)
        return self._block.find(token, end)
