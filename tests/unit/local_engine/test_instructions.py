"""The instructions of the pump and the reaper, as they are assembled from their sources."""

import shutil
import subprocess
from pathlib import Path

import pytest

from adapters.local_engine.sandbox import pump, reaper

_TOOLS = {"x86_64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}


@pytest.mark.parametrize("machine", _TOOLS)
@pytest.mark.parametrize("program", [pump, reaper])
def test_the_instructions_are_those_of_the_source(tmp_path, program, machine):
    assembler = _TOOLS[machine] + "as"
    if shutil.which(assembler) is None:
        pytest.skip(
            f"{assembler} is not installed: apt-get install binutils-{machine.replace('_', '-')}-linux-gnu"
        )
    source = Path(program.__file__).parent / f"{machine}.S"
    built, text = tmp_path / "object", tmp_path / "text"

    subprocess.run([assembler, source, "-o", built], check=True)
    subprocess.run([_TOOLS[machine] + "objcopy", "-O", "binary", "-j", ".text", built, text], check=True)

    assert text.read_bytes() == program.code(machine)


@pytest.mark.parametrize("program", [pump, reaper])
def test_an_architecture_without_a_source_has_none(tmp_path, program):
    assert program.install(tmp_path, "riscv64") is None
