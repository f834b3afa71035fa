"""The maker of a root filesystem: a process that makes it in its own mount namespace."""

import os
import select
import time
from contextlib import ExitStack

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.kernel import pipe
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs

_READY_WITHIN_S = 10.0
_LONGEST = 4096


def make(rootfs: Rootfs) -> int:
    """Make a root filesystem; return a descriptor of its mount namespace.

    Raises:
        OSError: The root filesystem cannot be made; the error has the message of the maker.
    """
    with ExitStack() as stack:
        maker, output = _start(rootfs)
        stack.callback(os.close, output)
        stack.callback(processes.end, maker)
        pid = _first_line(output)
        if not pid.isdecimal():
            raise OSError(0, pid or "the root filesystem of programs could not be created")
        stack.callback(processes.kill, int(pid))
        return os.open(f"/proc/{int(pid)}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def _start(rootfs: Rootfs) -> tuple[int, int]:
    """Start the maker of a root filesystem; return its process id and the pipe of its output."""
    with ExitStack() as theirs, ExitStack() as on_failure:
        files = []
        for name in (os.devnull, *rootfs.files):
            files.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
            theirs.callback(os.close, files[-1])
        output, writer = pipe(on_failure, theirs)
        maker = processes.spawn(rootfs.argv, {}, dict(enumerate((files[0], writer, writer, *files[1:]))))
        on_failure.pop_all()
        return maker, output


def _first_line(descriptor: int) -> str:
    """Read a line, which may come in pieces; what there is of it if it does not come in time."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    until, line = time.monotonic() + _READY_WITHIN_S, b""
    while not line.endswith(b"\n") and poll.poll(1000 * max(until - time.monotonic(), 0)):
        piece = os.read(descriptor, _LONGEST)
        if not piece or len(line) >= _LONGEST:
            break
        line += piece
    return line.decode("utf-8", "replace").strip()
