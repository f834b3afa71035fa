"""The lines of an output: where they are, and which of them have a text."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from application.output_cache import OutputBytes
from application.output_styles import MAX_SEQUENCE_BYTES, TextStyle, with_sequence_begun

BLOCK_BYTES = 64 << 10
MAX_MATCHES = 1_000
_PIECE_BYTES = 256 << 10
# Escape sequences (ECMA-48), which terminals do not show: control sequences, control strings of a bounded
# length, and the others. No part of one can be taken for another part, so the time is linear.
_ESCAPES = re.compile(
    rb"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|[\]PX^_][^\x07\x1b\n]{0,4096}+(?:\x07|\x1b\\)|[ -/]*+[0-~])"
)
_NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class LineIndex:
    """The number of newlines in each block of an output, all blocks but the last of `block_bytes`.

    Attributes:
        styles: The style with which each block begins, in parameters of a sequence (SGR).
    """

    size: int
    block_bytes: int
    newlines: Sequence[int]
    styles: Sequence[str]


@dataclass(frozen=True, slots=True)
class LineMatches:
    """Numbers of lines that have a text, from 1 on.

    Attributes:
        next_line: The line from which on to look for more of them; None if there are no more.
    """

    lines: Sequence[int]
    next_line: int | None


def index_lines(output: OutputBytes) -> LineIndex:
    """Count the newlines of an output by blocks, and find the style with which each one begins."""
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
    """Find the lines that have a text, as terminals show them: without escape sequences.

    Letters from A to Z match in either case.

    Args:
        output: The output.
        text: Text without a newline, at least one character.
        from_line: The number of the first line to look at.
        limit: The most lines to return.
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
