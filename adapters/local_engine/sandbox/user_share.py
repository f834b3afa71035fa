"""The part of the service's user's kernel quotas for each program.

Where programs share the user, that is a part of each quota. Where they have subordinate ids, the kernel
counts some of their things for the user as well, who has made the namespace of these ids.
"""

import math
import resource
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from adapters.local_engine.sandbox.launch_script import Rlimits
from adapters.local_engine.sandbox.program import Program
from domain.limits import Limits

_QUOTAS = Path("/proc/sys/fs")
# epoll(7). Each is a pair of an epoll descriptor and another one.
_WATCHES = "epoll/max_user_watches"
# By the names that they have in /proc/sys/user.
_MAXIMA = {
    "max_inotify_instances": "inotify/max_user_instances",
    "max_inotify_watches": "inotify/max_user_watches",
}
# The service and other processes of its user keep the rest.
_PROGRAMS_PART = 0.75
# A runtime does not start with fewer. Where there could be more watches even so, there are fewer processes.
_LEAST_OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class UserShare:
    """The part of a user's quotas that one program may take.

    Attributes:
        pending_signals: The most signals that wait, and timers that may send one.
        watches: The most epoll watches; None where they are counted for a user of the program's own.
        maxima: The most of what a namespace of users counts for each of its users.
    """

    pending_signals: int
    watches: int | None = None
    maxima: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_shared_user(cls, programs: int, quotas: Path = _QUOTAS) -> Self:
        """Return the part of each of as many programs at once that have the user of the service."""
        watches = _quota(quotas / _WATCHES)
        return cls(_signals(programs), None if watches is None else _part(watches, programs))

    @classmethod
    def of_subordinate_users(cls, programs: int, quotas: Path = _QUOTAS) -> Self:
        """Return the part of each of as many programs at once that have subordinate ids."""
        found = {name: _quota(quotas / path) for name, path in _MAXIMA.items()}
        maxima = {name: _part(quota, programs) for name, quota in found.items() if quota is not None}
        return cls(_signals(programs), maxima=maxima)

    @property
    def rlimits(self) -> Rlimits:
        """The limits of each process, which the kernel counts for all of the program's together."""
        return {"SIGPENDING": (self.pending_signals,) * 2}

    def fitted(self, program: Program) -> Program:
        """Return a program with as many processes and open files as cannot exceed the part.

        A watch lasts as long as some process has its file and some process its epoll instance, and begins in
        one that has both, by inheriting or opening them: messages with descriptors are refused. So `p`
        processes with `n` open files each have `p * n * n / 2` watches at most.
        """
        limits = program.limits if self.watches is None else _with_watches(program.limits, self.watches)
        if limits == program.limits:
            return program
        files = {"NOFILE": (limits.open_files,) * 2}
        return replace(program, limits=limits, rlimits={**program.rlimits, **files})


def _with_watches(limits: Limits, watches: int) -> Limits:
    files = max(math.isqrt(2 * watches // limits.processes), _LEAST_OPEN_FILES)
    open_files = min(files, limits.open_files)
    processes = max(2 * watches // open_files**2, 1)
    return replace(limits, open_files=open_files, processes=min(processes, limits.processes))


def _part(quota: int, programs: int) -> int:
    return max(1, int(quota * _PROGRAMS_PART / programs))


def _signals(programs: int) -> int:
    return _part(resource.getrlimit(resource.RLIMIT_SIGPENDING)[0], programs)


def _quota(path: Path) -> int | None:
    """Return a quota; None where the kernel has no such one."""
    try:
        return int(path.read_text())
    except OSError:
        return None
