"""The style at the beginning of each block of an output."""

import time

import pytest

from application.output_cache import OutputBytes
from application.output_lines import BLOCK_BYTES, index_lines
from application.output_styles import TextStyle


@pytest.mark.parametrize(
    ("sequences", "parameters"),
    [
        ("", ""),
        ("31", "31"),
        ("31 1", "31;1"),
        ("1;31", "1;31"),
        ("31 0", ""),
        ("31 ", ""),
        ("31;;1", "1"),
        ("31 92", "92"),
        ("31 44", "31;44"),
        ("31 39", ""),
        ("44 49", ""),
        ("1 2 3 4 7 9", "1;2;3;4;7;9"),
        ("1;2 22", ""),
        ("3;4;7;9 23;24;27;29", ""),
        ("4 4:0", ""),
        ("21", "21"),
        ("38;5;1", "38;5;1"),
        ("38;5;1;1", "38;5;1;1"),
        ("38;2;1;2;3 4", "38;2;1;2;3;4"),
        ("38:5:1", "38:5:1"),
        ("48:2::1:2:3;1", "48:2::1:2:3;1"),
        ("31 38;5;999", "31"),
        ("31 38:5", "31"),
        ("31 38:5:256", "31"),
        ("31 38:2:1:2", "31"),
        ("38:2:1:2:3", "38:2:1:2:3"),
        ("31 38:9:1", "31"),
        ("31 38;2;1", "31"),
        ("31 38;9;1", "31;1"),
        ("58;5;1", ""),
        ("31 55", "31"),
        ("31 32 31", "31"),
        ("1 0 31 0 1", "1"),
    ],
)
def test_the_style_is_the_effect_of_all_sequences(sequences: str, parameters: str):
    style = TextStyle()

    style.read(b"".join(b"\x1b[%bmtext" % each.encode() for each in sequences.split(" ")))

    assert style.parameters == parameters


@pytest.mark.parametrize("place", range(BLOCK_BYTES - 7, BLOCK_BYTES + 2))
def test_a_sequence_over_the_end_of_a_block_is_of_the_block_in_which_it_begins(place: int):
    content = b"x" * place + b"\x1b[1;31m" + b"\x1b[4m" + b"x" * 2 * BLOCK_BYTES

    styles = index_lines(OutputBytes(content)).styles

    before = "" if place >= BLOCK_BYTES else "1;31"
    # A second one that begins at the end of the block, or before it, is of it as well.
    assert styles[:2] == ["", before + ";4" if place + 7 < BLOCK_BYTES else before]
    assert styles[2:] == ["1;31;4"] * 2


@pytest.mark.parametrize("unit", [b"\x1b[m", b"\x1b[31m", b"\x1b", b"\x1b[", b"\x1b[" + b"1;" * 200])
def test_a_large_output_takes_no_time_to_speak_of(unit: bytes):
    content = OutputBytes(unit * ((8 << 20) // len(unit)))
    began = time.process_time()

    index_lines(content)

    assert time.process_time() - began < 3


def test_sequences_that_all_differ_take_no_time_to_speak_of():
    content = OutputBytes(
        b"".join(b"\x1b[38;2;%d;%d;%dm" % (n >> 16, n >> 8 & 255, n & 255) for n in range(400_000))
    )
    began = time.process_time()

    index_lines(content)

    assert time.process_time() - began < 3


def test_long_sequences_that_all_differ_take_no_time_to_speak_of():
    content = OutputBytes(b"".join(b"\x1b[%d%sm" % (n, b";" * 240) for n in range(64_000)))
    began = time.process_time()

    index_lines(content)

    assert time.process_time() - began < 3
