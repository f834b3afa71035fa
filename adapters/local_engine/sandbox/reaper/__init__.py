"""The reaper: the parent of a program, which waits for it and reports its status and its peak of memory.

The kernel tells the peak of a process to its parent alone, in wait4(2), together with that of all processes
that its parent waited for before, and a process begins with the memory of the one that it was made from. A
parent that is a supervisor, a shell or a compiler's would therefore report its own memory, or the compiler's.
This one has a few pages, and one child. In a box it is the first process as well, which adopts orphans and
which no program can end; the program leads a process group of its own there, as a shell would have it.

No language that a machine is sure to have makes such a process, so this is 70 instructions for each of two
architectures, assembled from the file beside this one. Elsewhere programs run without, and their memory is
looked at from time to time.
"""

import platform
import struct
from pathlib import Path

from adapters.local_engine.sandbox.files import write_executable

# .text of the sources, by what platform.machine() says.
_CODE = {
    "x86_64": """
    4889e34881ec0001000031ff488d35e40000004889e241ba08000000b80e0000000f05b8390000000f0585c074570f88
    b30000004189c4bfffffffff488d74240c31d24c8d542410b83d0000000f0585c00f88900000004139c475db8b059100
    000089442408bf05000000488d742408ba98000000b8010000000f0531ffb8e70000000f05bf01000000be09000000b8
    9d0000000f05b86e0000000f0583f801750b31ff31f6b86d0000000f05bf020000004889e631d241ba08000000b80e00
    00000f05bf05000000b8030000000f05488b7b10488d7310488b03488d54c310b83b0000000f05bf7f000000b8e70000
    000f0500656e64ffffffffffffffff
    """,
    "aarch64": """
    f3030091ff0304d1000080d241080010e2030091030180d2e81080d2010000d4200280d2010080d2020080d2030080d2
    040080d2881b80d2010000d4c00200b42006f8b7f40300aa00008092e1330091020080d2e3430091882080d2010000d4
    2005f8b71f0014eb01ffff5429050018e90b00b9a00080d2e1230091021380d2080880d2010000d4000080d2c80b80d2
    010000d4200080d2210180d2e81480d2010000d4a81580d2010000d41f0400f1a1000054000080d2010080d2481380d2
    010000d4400080d2e1030091020080d2030180d2e81080d2010000d4a00080d2280780d2010000d4690240f9600a40f9
    61420091620e098b42400091a81b80d2010000d4e00f80d2c80b80d2010000d400656e64ffffffffffffffff
    """,
}
_NAME = "reaper"

# The file format: the manual page elf(5).
_MACHINES = {"x86_64": 62, "aarch64": 183}
_ADDRESS = 0x400000
_ALIGNMENT = 0x10000
_HEADERS = struct.Struct("<16sHHIQQQIHHHHHH")
_SEGMENT = struct.Struct("<IIQQQQQQ")


def code(machine: str) -> bytes | None:
    """Return the instructions for an architecture, if there are some."""
    text = _CODE.get(machine)
    return None if text is None else bytes.fromhex(text)


def install(directory: Path, machine: str = platform.machine()) -> Path | None:
    """Write the reaper into a directory and return its path; None if there is none for this architecture.

    Raises:
        OSError: It cannot be written.
    """
    text = code(machine)
    if text is None:
        return None
    path = directory / _NAME
    write_executable(path, _executable(_MACHINES[machine], text))
    return path


def _executable(machine: int, text: bytes) -> bytes:
    """Wrap instructions into the smallest ELF file that the kernel runs: one segment, no sections."""
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
