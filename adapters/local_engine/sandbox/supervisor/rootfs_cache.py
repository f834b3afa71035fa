"""Root file systems of programs: each is put together once, in a mount namespace that all begin with."""

import os
import select
from contextlib import ExitStack

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs

_READY_WITHIN_MS = 10_000
_LONGEST = 4096


class RootfsCache:
    """Makes each root file system when it is first asked for, and keeps it until its fingerprint changes."""

    def __init__(self) -> None:
        self._made: dict[Rootfs, int] = {}

    def __contains__(self, rootfs: Rootfs) -> bool:
        """Whether a root file system is made already."""
        return rootfs in self._made

    def mounts(self, rootfs: Rootfs) -> int:
        """Return a descriptor of the mount namespace of a root file system.

        Raises:
            OSError: It cannot be made; the error has its maker's message.
        """
        if rootfs not in self._made:
            mounts = _make(rootfs)
            for older in [each for each in self._made if each.argv == rootfs.argv]:
                os.close(self._made.pop(older))
            self._made[rootfs] = mounts
        return self._made[rootfs]


def _make(rootfs: Rootfs) -> int:
    with ExitStack() as stack:
        maker, output = _start(rootfs)
        stack.callback(os.close, output)
        stack.callback(processes.end, maker)
        pid = _first_line(output)
        if not pid.isdecimal():
            raise OSError(0, pid or "the root file system of programs was not made")
        stack.callback(processes.kill, int(pid))
        return os.open(f"/proc/{int(pid)}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def _start(rootfs: Rootfs) -> tuple[int, int]:
    """Start the maker of a root file system; return its process id and the pipe of its output."""
    with ExitStack() as theirs, ExitStack() as on_failure:
        files = []
        for name in (os.devnull, *rootfs.files):
            files.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
            theirs.callback(os.close, files[-1])
        output, writer = os.pipe()
        theirs.callback(os.close, writer)
        on_failure.callback(os.close, output)
        ends = (files[0], writer, writer, *files[1:])
        maker = os.posix_spawn(
            rootfs.argv[0],
            rootfs.argv,
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends)],
            setsid=True,
            setsigmask=(),
            setsigdef=processes.IGNORED_SIGNALS,
        )
        on_failure.pop_all()
        return maker, output


def _first_line(descriptor: int) -> str:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(_READY_WITHIN_MS):
        return ""
    return os.read(descriptor, _LONGEST).decode("utf-8", "replace").strip()
