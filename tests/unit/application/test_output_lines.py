"""The lines of an output: their index, and the search in them."""

import re
import time

import pytest

from application.file_spool import FileSpool
from application.output_cache import OutputBytes
from application.output_lines import BLOCK_BYTES, find_lines, index_lines

LONG = 700_000


def output(*lines: bytes) -> OutputBytes:
    return OutputBytes(b"\n".join(lines))


@pytest.mark.parametrize("size", [0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES])
def test_each_block_has_its_newlines_counted(size: int):
    content = bytes(10 if place % 7 == 0 else 120 for place in range(size))

    index = index_lines(OutputBytes(content))

    assert index.size == size
    blocks = [content[begin : begin + BLOCK_BYTES] for begin in range(0, size, BLOCK_BYTES)]
    assert index.newlines == [block.count(b"\n") for block in blocks]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("error", [1, 3]),
        ("ERROR", [1, 3]),
        ("red error", [3]),
        ("31", []),
        ("example.com", []),
        ("link", [4]),
        ("é", [5]),
        ("É", []),
        ("<b>.*", [6]),
        ("last", [6]),
    ],
)
def test_lines_are_found_as_they_are_shown(text: str, lines: list[int]):
    written = output(
        b"error: Error",
        b"",
        b"\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3merr\x1b[Kor",
        b"\x1b]8;;https://example.com\x07link\x1b]8;;\x1b\\",
        "é".encode(),
        b"<b>.* the last",
    )

    found = find_lines(written, text, 1, 10)

    assert (found.lines, found.next_line) == (lines, None)


def test_more_than_the_limit_are_found_from_the_next_line_on():
    written = output(*(b"x x" if number % 2 else b"y" for number in range(1, 100_000)))

    first = find_lines(written, "x", 1, 3)
    more = find_lines(written, "x", 7, 100_000)

    assert (first.lines, first.next_line) == ([1, 3, 5], 7)
    assert more.lines == list(range(7, 100_000, 2))
    assert more.next_line is None


@pytest.mark.parametrize("place", [0, 262_139, 262_142, 262_144, 524_286, LONG - 4])
def test_a_text_is_found_at_any_place_of_a_line_that_is_longer_than_a_piece(place: int):
    long = bytearray(b"." * LONG)
    long[place : place + 4] = b"here"

    assert find_lines(output(b"first", bytes(long), b"last"), "here", 1, 10).lines == [2]
    assert find_lines(output(bytes(long), b"last"), "last", 1, 10).lines == [2]


@pytest.mark.parametrize("place", [*range(262_130, 262_150)])
def test_a_text_is_found_where_pieces_meet(place: int):
    before = b"0123456\n" * 40_000

    written = OutputBytes(before[:place] + b"here" + before[place:])

    assert find_lines(written, "here", 1, 10).lines == [before[:place].count(b"\n") + 1]


@pytest.mark.parametrize(
    "hostile", [b"\x1b[", b"\x1b]", b"\x1b[0;", b"\x1b[31m", b"\x1b", b"\x1bP" + b"x" * 500]
)
def test_the_search_takes_linear_time(hostile: bytes):
    written = OutputBytes(hostile * ((4 << 20) // len(hostile)))

    begun = time.process_time()
    find_lines(written, "needle", 1, 10)

    assert time.process_time() - begun < 4  # a quadratic one takes hours


def test_parts_of_an_output_are_read_from_a_file():
    spool = FileSpool()
    spool.append(b"0123456789")

    kept = OutputBytes(spool)

    assert kept.size == 10
    assert kept.read(2, 5) == b"234"
    assert kept.read(8, 20) == b"89"
    assert re.fullmatch(b"0.*9", kept.read(0, kept.size))
