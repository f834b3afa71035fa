"""The pump: passes the output of one program to another, up to a limit.

Interacting programs are connected by pipes, and the kernel does not count the bytes in a pipe. A relay in the
service would have to wait for a turn among the service's threads for each message. So the pump is a process
of about thirty instructions, which moves pages from one pipe to another without copying. It ends when the
other ends of the pipes are closed.

Like the reaper, it is assembled from the files in this directory and written to a file by the engine.
"""

import os
from pathlib import Path

from adapters.local_engine.sandbox.instructions import Instructions

# The .text sections of the sources, by platform.machine().
_CODE = {
    "x86_64": """
    488b74241031db0fb60683e830720c486bdb0a4801c348ffc6ebec4885db742d31ff31f6ba010000004531d241b80000
    10004c39c34c0f42c34531c9b8130100000f054885c07e1d4829c3ebce31ff4889e6ba0100000031c00f05bf01000000
    4839f8740231ffb8e70000000f05
    """,
    "aarch64": """
    e10b40f9130080d2540180d22014403800c00071630000547302149bfcffff17f30100b4000080d2010080d2220080d2
    030080d20402a0d27f0204eb6432849a050080d2880980d2010000d41f0000f14d010054730200cbf2ffff17000080d2
    e1030091220080d2e80780d2010000d41f0400f140000054000080d2c80b80d2010000d4
    """,
}
_NAME = "pump"
_HAS_MORE = 1
_PUMP = Instructions(_NAME, _CODE)
code = _PUMP.code
install = _PUMP.install


def start(path: Path, source: int, target: int, limit: int) -> int:
    """Start a pump from one pipe to another; return its process id.

    Args:
        path: The path of the pump.
        source: The descriptor that it reads from. The caller closes its own copies of both descriptors.
        target: The descriptor that it writes to.
        limit: The number of bytes that it passes on, at most.
    """
    # In a session of its own, it is scheduled independently of the service's processes (autogroups,
    # sched(7)).
    streams = [(os.POSIX_SPAWN_DUP2, source, 0), (os.POSIX_SPAWN_DUP2, target, 1)]
    return os.posix_spawn(path, [_NAME, str(limit)], {}, file_actions=streams, setsid=True)


def wait(pid: int) -> bool:
    """Wait for a pump to end; return whether its limit was exceeded."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) == _HAS_MORE
