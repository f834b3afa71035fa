"""The share of each program in the kernel quotas of the service's user.

Programs that run as the service's user get a part of each quota. For programs with subordinate ids, the
kernel counts some objects also for the service's user, who has made the namespace of these ids.
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
# epoll(7). Each watch is a pair of an epoll descriptor and another descriptor.
_WATCHES = "epoll/max_user_watches"
# By their names in /proc/sys/user.
_MAXIMA = {
    "max_inotify_instances": "inotify/max_user_instances",
    "max_inotify_watches": "inotify/max_user_watches",
}
# The share for all programs. The service and other processes of its user keep the rest.
_PROGRAMS_PART = 0.75
# Runtimes do not start with fewer open files. If these still allow too many watches, processes are reduced.
_LEAST_OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class UserShare:
    """The share of one program in a user's quotas.

    Attributes:
        pending_signals: The number of pending signals and of timers that may send one.
        watches: The number of epoll watches; None if they are counted for the program's own user.
        maxima: The quotas that a user namespace counts for each of its users.
    """

    pending_signals: int
    watches: int | None = None
    maxima: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_shared_user(cls, programs: int, quotas: Path = _QUOTAS) -> Self:
        """Return the share of a program if a number of programs run at once as the service's user."""
        watches = _quota(quotas / _WATCHES)
        return cls(_signals(programs), None if watches is None else _part(watches, programs))

    @classmethod
    def of_subordinate_users(cls, programs: int, quotas: Path = _QUOTAS) -> Self:
        """Return the share of a program if a number of programs run at once with subordinate ids."""
        found = {name: _quota(quotas / path) for name, path in _MAXIMA.items()}
        maxima = {name: _part(quota, programs) for name, quota in found.items() if quota is not None}
        return cls(_signals(programs), maxima=maxima)

    @property
    def rlimits(self) -> Rlimits:
        """The limits of each process, which the kernel counts for all processes of the user together."""
        return {"SIGPENDING": (self.pending_signals,) * 2}

    def fitted(self, program: Program) -> Program:
        """Return a program with processes and open files limited so that it cannot exceed its share.

        A watch exists as long as some process has the watched file and some process the epoll instance. It is
        made in a process that has both, either inherited or opened, because messages with descriptors are
        refused. So `p` processes with `n` open files each have at most `p * n * n / 2` watches.
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
    """Return a quota; None if the kernel does not have it."""
    try:
        return int(path.read_text())
    except OSError:
        return None
