"""Processors: the precedence of the supervisor before its programs, and the pressure on them all."""

import os
from contextlib import suppress

from adapters.local_engine.sandbox.supervisor.kernel import read, write

# setpriority(2). Each step is a tenth more or less of a processor that is fought for.
_SUPERVISOR_NICE = -10
PROGRAM_NICE = 5
# Where the scheduler groups tasks by their sessions: sched(7), "The autogroup feature".
_SESSION = "/proc/self/autogroup"
# linux/sched.h: a child of a process with a negative nice value begins with 0.
_RESET_ON_FORK = 0x40000000
# Documentation/accounting/psi.rst
_PRESSURE = "/proc/pressure/cpu"
_TOTAL = "total="
_US_PER_S = 1_000_000


def take_precedence() -> None:
    """Raise the priority of this process, and not that of its children, if it may do that."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER | _RESET_ON_FORK, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, _SUPERVISOR_NICE)
        write(_SESSION, str(_SUPERVISOR_NICE))


def give_way(pid: int) -> None:
    """Lower the priority of a process and of all that it starts or has started, if it is still there."""
    found = [pid]
    while found:
        each = found.pop()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, each, PROGRAM_NICE)
            # The ones that it starts from now on inherit it.
            found += map(int, read(f"/proc/{each}/task/{each}/children").split())


def waited_s() -> float | None:
    """Return the seconds in which some task of this machine waited for a processor, since it was booted.

    None if the kernel does not account for pressure.
    """
    try:
        some = read(_PRESSURE).partition("\n")[0]
    except OSError:  # the kernel was built, or started, without
        return None
    return int(some.rpartition(_TOTAL)[2]) / _US_PER_S
