"""Scheduling: the precedence of the supervisor over its programs, and the pressure on the processors."""

import os
from contextlib import suppress

from adapters.local_engine.sandbox.supervisor.kernel import read, write

# setpriority(2). Each step changes the share of a contended processor by about a tenth.
_SUPERVISOR_NICE = -10
PROGRAM_NICE = 5
# The nice value of a session, where the scheduler groups tasks by session: sched(7), "The autogroup feature".
_SESSION = "/proc/self/autogroup"
# linux/sched.h: a child of a process with a negative nice value starts with 0.
_RESET_ON_FORK = 0x40000000
# Documentation/accounting/psi.rst
_PRESSURE = "/proc/pressure/cpu"
_TOTAL = "total="
_US_PER_S = 1_000_000


def take_precedence() -> None:
    """Raise the priority of this process, but not of its children, if the kernel allows it."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER | _RESET_ON_FORK, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, 0, _SUPERVISOR_NICE)
        write(_SESSION, str(_SUPERVISOR_NICE))


def give_way(pid: int) -> None:
    """Lower the priority of a process and of all its present and future descendants, if it still exists."""
    found = [pid]
    while found:
        each = found.pop()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, each, PROGRAM_NICE)
            # Children that it starts from now on inherit the priority.
            found += map(int, read(f"/proc/{each}/task/{each}/children").split())


def waited_s() -> float | None:
    """Return the seconds since boot in which some task of this machine waited for a processor.

    Return None if the kernel does not account for pressure.
    """
    try:
        some = read(_PRESSURE).partition("\n")[0]
    except OSError:  # the kernel was built or booted without it
        return None
    return int(some.rpartition(_TOTAL)[2]) / _US_PER_S
