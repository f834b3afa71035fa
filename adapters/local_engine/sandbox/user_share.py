"""The part of a user's kernel quotas for each program, where all programs share the service's user id."""

import math
import resource
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from adapters.local_engine.sandbox.launch_script import Rlimits
from adapters.local_engine.sandbox.program import Program
from domain.limits import Limits

# epoll(7). Each is a pair of an epoll descriptor and another one.
_WATCHES = Path("/proc/sys/fs/epoll/max_user_watches")
# The service and other processes of its user keep the rest.
_PROGRAMS_PART = 0.75
# A runtime does not start with fewer. Where there could be more watches even so, there are fewer processes.
_LEAST_OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class UserShare:
    """The part of a user's quotas that one program may take.

    Attributes:
        watches: The most epoll watches.
        pending_signals: The most signals that wait, and timers that may send one.
    """

    watches: int
    pending_signals: int

    @classmethod
    def of_machine(cls, programs: int, path: Path = _WATCHES) -> Self | None:
        """Return the part of each of as many programs at once; None where the kernel has no such quota."""
        try:
            watches = int(path.read_text())
        except OSError:
            return None
        signals, _ = resource.getrlimit(resource.RLIMIT_SIGPENDING)
        return cls(*(int(quota * _PROGRAMS_PART / programs) for quota in (watches, signals)))

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
        limits = self.fitted_limits(program.limits)
        if limits == program.limits:
            return program
        files = {"NOFILE": (limits.open_files,) * 2}
        return replace(program, limits=limits, rlimits={**program.rlimits, **files})

    def fitted_limits(self, limits: Limits) -> Limits:
        """Return limits that cannot exceed the part."""
        files = max(math.isqrt(2 * self.watches // limits.processes), _LEAST_OPEN_FILES)
        open_files = min(files, limits.open_files)
        processes = max(2 * self.watches // open_files**2, 1)
        return replace(limits, open_files=open_files, processes=min(processes, limits.processes))
