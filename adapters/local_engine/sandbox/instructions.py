"""Programs that consist of a few instructions, which the engine writes to files."""

import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapters.local_engine.sandbox.files import write_executable

# The file format: the manual page elf(5).
_MACHINES = {"x86_64": 62, "aarch64": 183}
_ADDRESS = 0x400000
_ALIGNMENT = 0x10000
_HEADERS = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


@dataclass(frozen=True, slots=True)
class Instructions:
    """The instructions of a program, for each architecture that has some.

    Attributes:
        name: The name of its file.
        sections: The .text sections of the sources in hexadecimal digits, by `platform.machine()`.
    """

    name: str
    sections: Mapping[str, str]

    def code(self, machine: str) -> bytes | None:
        """Return the instructions for an architecture; None if there are none."""
        text = self.sections.get(machine)
        return None if text is None else bytes.fromhex(text)

    def install(self, directory: Path, machine: str = platform.machine()) -> Path | None:
        """Write the program to a directory; return its path, or None on an architecture without one.

        Raises:
            OSError: The file cannot be written.
        """
        text = self.code(machine)
        if text is None:
            return None
        path = directory / self.name
        write_executable(path, _executable(_MACHINES[machine], text))
        return path


def _executable(machine: int, text: bytes) -> bytes:
    """Wrap instructions in the smallest ELF file that the kernel executes: one segment, no sections."""
    start = _HEADERS.size + _SEGMENT.size
    size = start + len(text)
    ident = b"\x7fELF" + bytes([2, 1, 1])  # 64 bits, little-endian, version 1
    header = _HEADERS.pack(
        *(ident, 2, machine, 1, _ADDRESS + start, _HEADERS.size, 0, 0),
        *(_HEADERS.size, _SEGMENT.size, 1, 0, 0, 0),
    )
    readable_and_executable = 5
    segment = _SEGMENT.pack(1, readable_and_executable, 0, _ADDRESS, _ADDRESS, size, size, _ALIGNMENT)
    return header + segment + text
