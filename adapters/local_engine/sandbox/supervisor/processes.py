"""Processes as Linux has them: parents, children, sessions and usage."""

import contextlib
import ctypes
import os
import signal
from dataclasses import dataclass

from adapters.local_engine.sandbox.supervisor.kernel import read

# Signals that Python ignores, or that the service's parent had it ignore: exec would pass that on.
IGNORED_SIGNALS = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Usage:
    """The usage of processes: times add up, the largest memory counts."""

    cpu_s: float = 0.0
    memory_kb: int = 0

    def add(self, cpu_s: float, memory_kb: int) -> None:
        """Count another process."""
        self.cpu_s += cpu_s
        self.memory_kb = max(self.memory_kb, memory_kb)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own (PR_SET_CHILD_SUBREAPER)."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> set[int]:
    """Return the ids of this process's children, dead ones that wait to be reaped included."""
    return {int(pid) for pid in read(f"/proc/self/task/{os.getpid()}/children").split()}


def session_of(pid: int) -> int | None:
    """Return the session that a process is in; None if it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def kill(pid: int) -> None:
    """Kill a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def kill_group(leader: int) -> None:
    """Kill a process group. Its leader must not have been reaped, or the number may be someone else's.

    A leader that was forked a moment ago has no group yet, and is killed by itself.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    kill(leader)


def end(pid: int) -> None:
    """Kill a child and wait for it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def reap(pid: int, usage: Usage) -> int:
    """Wait for a child, count its usage and that of its own reaped children; return its status."""
    _, status, used = os.wait4(pid, 0)
    usage.add(used.ru_utime + used.ru_stime, used.ru_maxrss)
    return status
