"""The pump: the instructions as they are assembled, and the bytes that they pass on."""

import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import pump

_SOURCES = Path(pump.__file__).parent
_TOOLS = {"x86_64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}


@pytest.mark.parametrize("machine", _TOOLS)
def test_its_instructions_are_those_of_its_source(tmp_path, machine):
    assembler = _TOOLS[machine] + "as"
    if shutil.which(assembler) is None:
        pytest.skip(
            f"{assembler} is not installed: apt-get install binutils-{machine.replace('_', '-')}-linux-gnu"
        )
    built, text = tmp_path / "object", tmp_path / "text"

    subprocess.run([assembler, _SOURCES / f"{machine}.S", "-o", built], check=True)
    subprocess.run([_TOOLS[machine] + "objcopy", "-O", "binary", "-j", ".text", built, text], check=True)

    assert text.read_bytes() == pump.code(machine)


def test_an_architecture_that_it_is_not_written_for_has_none(tmp_path):
    assert pump.install(tmp_path, "riscv64") is None


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
