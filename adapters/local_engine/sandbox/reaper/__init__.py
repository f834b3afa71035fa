"""The reaper: the parent of a program, which waits for it and reports its end through the status pipe.

The kernel reports the peak memory of a process only to its parent, by wait4(2), combined with the peaks of
all children that the parent waited for before; and a new process starts with the memory of its parent. A
supervisor, a shell or a compiler's parent would therefore report its own memory, or the compiler's. The
reaper has a few pages of memory and one child.

In a sandbox, the reaper is also the first process, which adopts orphans and which no program can kill. The
program leads its own process group, as if a shell had started it. When the program has ended, the reaper
kills all other processes and waits for them, so that it has their processor time, which the supervisor gets
from it.

On x86-64, a reaper that is started without a program makes the sandbox itself: it executes the table of
system calls at PLAN_DESCRIPTOR (`launch_plan.py`) and continues as the parent of the program in the sandbox.

No language that every machine has can make such a small process. So the reaper consists of about a hundred
instructions for each of two architectures, assembled from the files in this directory. On other
architectures, programs run without a reaper and their memory is sampled.
"""

import platform
import struct
from pathlib import Path

from adapters.local_engine.sandbox.files import write_executable

# The .text sections of the sources, by platform.machine().
_CODE = {
    "x86_64": """
    4889e34881ec0002000048833b010f85ad000000bf00000010be00000001ba0300000041ba0200100041b80400000045
    31c9b8090000000f05483d000000100f852e020000488b73084883c610bf00000010b940000000f3a4bb80000010488b
    034885c07849488b7b10488b7318488b53204c8b53284c8b43304c8b4b380f05483b430875064883c350ebd24989c4bf
    02000000488b7340488b5348b8010000000f054c89e7f7dfb8e70000000f054883f8ff0f84fd000000488b1c25400000
    1031ff488d35e00100004889e241ba08000000b80e0000000f05b8390000000f0585c00f84280100000f888401000041
    89c4bfffffffff488d74240c31d24c8d542410b83d0000000f0585c00f88610100004139c475db488d3561010000488d
    bc24a8000000b91b000000f3a4488d74240c488d1561010000b9940000000fb62e48ffc689e8c1e80483e50f8a0402aa
    8a042aaaffc975e6c707227d0a00bf03000000488db424a8000000ba46010000b8010000000f05b8270000000f0583f8
    01752a48c7c7ffffffffbe09000000b83e0000000f05bfffffffff31f631d24531d2b83d0000000f0585c07fe931ffb8
    e70000000f05b8390000000f0585c00f84c1feffff0f88c1feffff4189c431ffbeffffffff31d2b8b40100000f054489
    e7488d74240c31d24531d2b83d0000000f0585c0787d8b7c240c89f8c1ef0883e07f74068db880000000b8e70000000f
    05bf01000000be09000000b89d0000000f05b86e0000000f0583f801750b31ff31f6b86d0000000f05bf020000004889
    e631d241ba08000000b80e0000000f05bf03000000b8030000000f05488b7b10488d7310488b03488d54c310b83b0000
    000f05bf7f000000b8e70000000f057b22737461747573223a22656e646564222c227761697434223a22303132333435
    36373839616263646566ffffffffffffffff
    """,
    "aarch64": """
    f3030091ff0308d1000080d2e10d0070e2030091030180d2e81080d2010000d4200280d2010080d2020080d2030080d2
    040080d2881b80d2010000d4400700b4a00af8b7f40300aa00008092e1330091020080d2e3430091882080d2010000d4
    a009f8b71f0014eb01ffff54a1090010e2a30291630380d22414403844140038630400f1a1ffff54e133009165090070
    831280d224144038867c0453840c0012a668663846140038a468643844140038630400f101ffff5444a48f524401a072
    440000b9600080d2e1a30291c22880d2080880d2010000d4881580d2010000d41f0400f1a101005400008092210180d2
    281080d2010000d400008092010080d2020080d2030080d2882080d2010000d41f0000f12cffff54000080d2c80b80d2
    010000d4200080d2210180d2e81480d2010000d4a81580d2010000d41f0400f1a1000054000080d2010080d2481380d2
    010000d4400080d2e1030091020080d2030180d2e81080d2010000d4600080d2280780d2010000d4690240f9600a40f9
    61420091620e098b42400091a81b80d2010000d4e00f80d2c80b80d2010000d47b22737461747573223a22656e646564
    222c227761697434223a2230313233343536373839616263646566ffffffffffffffff
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
    """Return the instructions for an architecture; None if there are none."""
    text = _CODE.get(machine)
    return None if text is None else bytes.fromhex(text)


def install(directory: Path, machine: str = platform.machine()) -> Path | None:
    """Write the reaper to a directory; return its path, or None on an architecture without a reaper.

    Raises:
        OSError: The file cannot be written.
    """
    text = code(machine)
    return None if text is None else install_code(directory / _NAME, machine, text)


def install_code(path: Path, machine: str, text: bytes) -> Path:
    """Write an executable that consists of the instructions; return its path.

    Raises:
        OSError: The file cannot be written.
    """
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
