"""The pump: the bytes that it passes on."""

import os
import platform

import pytest

from adapters.local_engine.sandbox import pump


def _pumped(directory, written, limit):
    """Write to a pump, to its end; return the bytes that came through, and whether there were more."""
    path = pump.install(directory)
    if path is None:
        pytest.skip(f"there is no pump for {platform.machine()}")
    source, writer = os.pipe2(os.O_CLOEXEC)
    reader, target = os.pipe2(os.O_CLOEXEC)
    pid = pump.start(path, source, target, limit)
    os.close(source)
    os.close(target)
    with os.fdopen(writer, "wb") as stream:
        stream.write(written)
    with os.fdopen(reader, "rb") as stream:
        passed = stream.read()
    return passed, pump.wait(pid)


@pytest.mark.parametrize(
    ("size", "limit", "passed", "has_more"),
    [
        (0, 10, 0, False),
        (9, 10, 9, False),
        (10, 10, 10, False),
        (11, 10, 10, True),
        (60_000, 40_000, 40_000, True),
    ],
)
def test_it_passes_on_as_much_as_it_may(tmp_path, size, limit, passed, has_more):
    written = os.urandom(size)

    assert _pumped(tmp_path, written, limit) == (written[:passed], has_more)


def test_it_ends_when_nothing_reads_any_more(tmp_path):
    path = pump.install(tmp_path)
    if path is None:
        pytest.skip(f"there is no pump for {platform.machine()}")
    source, writer = os.pipe2(os.O_CLOEXEC)
    reader, target = os.pipe2(os.O_CLOEXEC)
    pid = pump.start(path, source, target, 1 << 30)
    for end in (source, reader, target):
        os.close(end)
    os.write(writer, b"nobody listens")

    assert not pump.wait(pid)
    with pytest.raises(BrokenPipeError):
        os.write(writer, b"more")
    os.close(writer)
