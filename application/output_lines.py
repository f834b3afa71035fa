"""The lines of an output: their positions, and searches in them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from application.output_cache import OutputBytes
from application.output_styles import MAX_SEQUENCE_BYTES, TextStyle, with_sequence_begun

BLOCK_BYTES = 64 << 10
MAX_MATCHES = 1_000
_PIECE_BYTES = 256 << 10
# Escape sequences (ECMA-48), which terminals do not show: control sequences, control strings of limited
# length, and others. The alternatives cannot overlap, so that matching takes linear time.
_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|[\]PX^_][^\x07\x1b\n]{0,4096}+(?:\x07|\x1b\\)|[ -/]*+[0-~])"
)
_NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class LineIndex:
    """The number of newlines in each block of an output. All blocks except the last have `block_bytes`.

    Attributes:
        styles: The style with which each block begins, as parameters of an SGR sequence.
    """

    size: int
    block_bytes: int
    newlines: Sequence[int]
    styles: Sequence[str]


@dataclass(frozen=True, slots=True)
class LineMatches:
    """The numbers of lines that contain a text, counted from 1.

    Attributes:
        next_line: The line at which to continue the search; None if there are no more matches.
    """

    lines: Sequence[int]
    next_line: int | None


def index_lines(output: OutputBytes) -> LineIndex:
    """Count the newlines of an output by block, and find the style with which each block begins."""
    newlines: list[int] = []
    styles: list[str] = []
    style = TextStyle()
    for begin in range(0, output.size, BLOCK_BYTES):
        read = output.read(begin, begin + BLOCK_BYTES + MAX_SEQUENCE_BYTES)
        newlines.append(read.count(_NEWLINE, 0, BLOCK_BYTES))
        styles.append(style.parameters)
        style.read(with_sequence_begun(read, BLOCK_BYTES))
    return LineIndex(output.size, BLOCK_BYTES, newlines, styles)


def find_lines(output: OutputBytes, text: str, from_line: int, limit: int) -> LineMatches:
    """Find the lines that contain a text, without escape sequences, as terminals show them.

    Letters from A to Z match in either case.

    Args:
        output: The output.
        text: Text without a newline, at least one character.
        from_line: The number of the first line to search.
        limit: The maximum number of lines to return.
    """
    wanted = text.encode().lower()
    found: list[int] = []
    for line, part in _parts(output, len(wanted) - 1):
        for number in _matches(line, part, wanted):
            if number < from_line or (found and found[-1] == number):
                continue
            if len(found) == limit:
                return LineMatches(found, number)
            found.append(number)
    return LineMatches(found, None)


def _parts(output: OutputBytes, overlap: int) -> Iterator[tuple[int, bytes]]:
    """Yield an output in parts of whole lines, without escape sequences, with the number of the first line.

    A line that is longer than a piece comes in parts that overlap.
    """
    line, rest = 1, b""
    for begin in range(0, output.size, _PIECE_BYTES):
        piece = rest + output.read(begin, begin + _PIECE_BYTES)
        end = piece.rfind(_NEWLINE) + 1
        if end:
            part, rest = piece[:end], piece[end:]
        elif len(piece) <= _PIECE_BYTES:
            part, rest = b"", piece
        else:
            part = piece
            rest = piece[len(piece) - overlap :]
        yield line, _ESCAPES.sub(b"", part)
        line += part.count(_NEWLINE)
    yield line, _ESCAPES.sub(b"", rest)


def _matches(line: int, part: bytes, wanted: bytes) -> Iterator[int]:
    folded = part.lower()
    counted = place = 0
    while (place := folded.find(wanted, place)) >= 0:
        line += folded.count(_NEWLINE, counted, place)
        yield line
        counted, end = place, folded.find(_NEWLINE, place)
        if end < 0:
            return
        place = end
