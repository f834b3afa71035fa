"""What programs see of this machine: put together once, in a mount namespace that every box begins with."""

import os
import select
from contextlib import ExitStack

from adapters.local_engine.sandbox.supervisor import processes
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs

_READY_WITHIN_MS = 10_000
_LONGEST = 4096


class RootfsCache:
    """Makes each view when it is first asked for, and keeps it until there is a newer edition."""

    def __init__(self) -> None:
        self._made: dict[Rootfs, int] = {}

    def __contains__(self, view: Rootfs) -> bool:
        """Whether a view is made already."""
        return view in self._made

    def mounts(self, view: Rootfs) -> int:
        """Return a descriptor of the mount namespace in which a view is seen.

        Raises:
            OSError: It cannot be made; the error has what its maker said.
        """
        if view not in self._made:
            mounts = _make(view)
            for older in [each for each in self._made if each.argv == view.argv]:
                os.close(self._made.pop(older))
            self._made[view] = mounts
        return self._made[view]


def _make(view: Rootfs) -> int:
    with ExitStack() as stack:
        maker, words = _start(view)
        stack.callback(os.close, words)
        stack.callback(processes.end, maker)
        word = _first_word(words)
        if not word.isdecimal():
            raise OSError(0, word or "nothing is heard of what makes the view of programs")
        stack.callback(processes.kill, int(word))
        return os.open(f"/proc/{int(word)}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)


def _start(view: Rootfs) -> tuple[int, int]:
    """Start what makes a view; return its process id and a pipe that it speaks into."""
    with ExitStack() as theirs, ExitStack() as on_failure:
        files = []
        for name in (os.devnull, *view.files):
            files.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
            theirs.callback(os.close, files[-1])
        words, speaks = os.pipe()
        theirs.callback(os.close, speaks)
        on_failure.callback(os.close, words)
        ends = (files[0], speaks, speaks, *files[1:])
        maker = os.posix_spawn(
            view.argv[0],
            view.argv,
            {},
            file_actions=[(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate(ends)],
            setsid=True,
            setsigmask=(),
            setsigdef=processes.IGNORED_SIGNALS,
        )
        on_failure.pop_all()
        return maker, words


def _first_word(descriptor: int) -> str:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(_READY_WITHIN_MS):
        return ""
    return os.read(descriptor, _LONGEST).decode("utf-8", "replace").strip()
