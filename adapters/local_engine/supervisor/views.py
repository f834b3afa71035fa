"""What programs see of this machine: put together once, as the place where their boxes are made."""

import os
import select
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

from adapters.local_engine.supervisor import processes
from adapters.local_engine.supervisor.kernel import CLONE_NEWNS, CLONE_NEWUSER, setns, unshare
from adapters.local_engine.supervisor.protocol import View

_READY_WITHIN_MS = 10_000
_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Descriptors of a mount namespace, and of the user namespace that owns it unless that is our own."""

    mounts: int
    owner: int | None

    @classmethod
    def of(cls, pid: int) -> Self:
        """Hold on to the place of a process.

        Raises:
            OSError: It is gone, or there is no descriptor left.
        """
        mounts = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        if os.geteuid() == 0:
            return cls(mounts, None)
        try:
            return cls(mounts, os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC))
        except OSError:
            os.close(mounts)
            raise

    def enter(self) -> None:
        """Move this process there, into a copy of its own: what it mounts is seen by nobody else.

        Raises:
            OSError: The kernel refuses.
        """
        if self.owner is not None:
            setns(self.owner, CLONE_NEWUSER)
        setns(self.mounts, CLONE_NEWNS)
        unshare(CLONE_NEWNS)


class Views:
    """Makes the place of each view when it is first asked for, and keeps it as long as this process lives."""

    def __init__(self) -> None:
        self._places: dict[View, Place] = {}

    def place(self, view: View) -> Place:
        """Return where a view is seen.

        Raises:
            OSError: It cannot be made; the error has what its maker said.
        """
        if view not in self._places:
            self._places[view] = _make(view)
        return self._places[view]


def _make(view: View) -> Place:
    with ExitStack() as stack:
        maker, words = _start(view)
        stack.callback(os.close, words)
        with ExitStack() as on_failure:
            on_failure.callback(processes.end, maker)
            word = _first_word(words)
            if not word.isdecimal():
                raise OSError(0, word or "nothing is heard of what makes the view of programs")
            place = Place.of(int(word))
            on_failure.pop_all()
        processes.kill(int(word))
        os.waitpid(maker, 0)
        return place


def _start(view: View) -> tuple[int, int]:
    """Start what makes a view; return its process id and a pipe that it speaks into."""
    with ExitStack() as theirs, ExitStack() as on_failure:
        given, feed = os.pipe()
        theirs.callback(os.close, given)
        with os.fdopen(feed, "wb") as stdin:
            stdin.write(view.stdin.encode())  # less than a pipe holds
        words, speaks = os.pipe()
        theirs.callback(os.close, speaks)
        on_failure.callback(os.close, words)
        actions = [(os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate((given, speaks, speaks))]
        maker = os.posix_spawn(view.argv[0], view.argv, {}, file_actions=actions, setsid=True)
        on_failure.pop_all()
        return maker, words


def _first_word(descriptor: int) -> str:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(_READY_WITHIN_MS):
        return ""
    return os.read(descriptor, _LONGEST).decode("utf-8", "replace").strip()
