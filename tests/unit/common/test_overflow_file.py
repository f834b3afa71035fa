import errno
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.overflow_file import OverflowFile

PIECES = [b"a" * 40, b"b" * 40, b"c" * 40, b"d" * 40]


class FullDisk:
    """A file that takes so many bytes, and no more: a write that does not fit is written in part."""

    def __init__(self, file, room):
        self._file = file
        self._room = room

    def write(self, data):
        taken = min(len(data), self._room)
        if taken == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._room -= taken
        return self._file.write(data[:taken])

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()


def whole(file):
    with file.rewound() as stream:
        return stream.read()


@given(st.lists(st.binary(max_size=30)), st.integers(0, 60))
def test_all_that_was_written_is_read(pieces, max_in_memory):
    file = OverflowFile(max_in_memory)
    for piece in pieces:
        file.write(piece)

    assert whole(file) == b"".join(pieces)


@pytest.mark.parametrize("room", [0, 10, 80, 81, 100, 119, 120, 1_000])
def test_a_disk_that_is_full_or_becomes_it_costs_no_byte(monkeypatch, caplog, room):
    make = OverflowFile.write.__globals__["tempfile"].TemporaryFile
    monkeypatch.setattr(
        "adapters.common.overflow_file.tempfile.TemporaryFile",
        lambda **options: FullDisk(make(**options), room),
    )
    file = OverflowFile(50)
    for piece in PIECES:
        file.write(piece)

    assert whole(file) == b"".join(PIECES)
    assert ("No space left on device" in caplog.text) == (room < len(b"".join(PIECES)))
    assert caplog.text.count("WARNING") <= 1


def test_a_directory_that_is_missing_costs_no_byte(tmp_path):
    file = OverflowFile(50, tmp_path / "missing")
    for piece in PIECES:
        file.write(piece)

    assert whole(file) == b"".join(PIECES)


@pytest.mark.parametrize("max_in_memory", [10, 1_000])
def test_parts_are_read_in_any_order(max_in_memory):
    file = OverflowFile(max_in_memory)
    for piece in PIECES:
        file.write(piece)

    assert file.read(100, 125) == b"c" * 20 + b"d" * 5
    assert file.read(30, 50) == b"a" * 10 + b"b" * 10
    assert file.read(50, 50) == b""
    assert whole(file) == b"".join(PIECES)
