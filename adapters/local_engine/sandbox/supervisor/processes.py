"""Processes as Linux has them: parents, children, sessions and usage."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from adapters.local_engine.sandbox.supervisor.kernel import end_with_parent, read

# Signals that Python ignores, or that the service's parent had it ignore: exec would pass that on.
IGNORED_SIGNALS = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
# The exit code of a child that came to no command.
_FAILED = 127


@dataclass(slots=True)
class Usage:
    """The usage of processes: times add up, the largest memory counts."""

    cpu_s: float = 0.0
    memory_kb: int = 0

    def add(self, cpu_s: float, memory_kb: int) -> None:
        """Count another process."""
        self.cpu_s += cpu_s
        self.memory_kb = max(self.memory_kb, memory_kb)


def spawn(
    argv: Sequence[str], env: Mapping[str, str], descriptors: Mapping[int, int], path: str | None = None
) -> int:
    """Start a child in a session of its own, and return its id.

    Args:
        argv: Its command line; the first is an absolute path, if `path` is none.
        env: Its whole environment.
        descriptors: Our descriptors that it inherits, by the numbers that they have there.
        path: The executable.
    """
    with ExitStack() as copies:
        actions = []
        for number, present in descriptors.items():
            copy = fcntl.fcntl(present, fcntl.F_DUPFD_CLOEXEC, max(descriptors) + 1)
            copies.callback(os.close, copy)
            actions.append((os.POSIX_SPAWN_DUP2, copy, number))
        return os.posix_spawn(
            path or argv[0],
            list(argv),
            env,
            file_actions=actions,
            resetids=True,
            setsid=True,
            setsigmask=(),
            setsigdef=IGNORED_SIGNALS,
        )


def spawn_after(
    step: Callable[[], None],
    on_error: Callable[[OSError], None],
    argv: Sequence[str],
    env: Mapping[str, str],
    descriptors: Mapping[int, int],
    path: str,
) -> int:
    """Start a child as `spawn` does, which takes a step that may last before it becomes the command.

    It has the privileges and the namespaces of this moment, and ends with this process.

    Args:
        step: The step.
        on_error: Called in the child with the error of the step or of the command, before it ends.
        argv: Its command line.
        env: Its whole environment.
        descriptors: Our descriptors that it inherits, by the numbers that they have there.
        path: The executable.
    """
    parent = os.getpid()
    child = os.fork()
    if child != 0:
        return child
    try:
        end_with_parent(parent)
        os.setsid()
        step()
        _become(argv, env, descriptors, path)
    except OSError as error:
        on_error(error)
    finally:
        os._exit(_FAILED)


def _become(argv: Sequence[str], env: Mapping[str, str], descriptors: Mapping[int, int], path: str) -> None:
    """Execute a command in this process, as `spawn` does in a new one."""
    user, group = os.getuid(), os.getgid()
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    for ignored in IGNORED_SIGNALS:
        signal.signal(ignored, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    lowest = max(descriptors) + 1
    copies = {
        number: fcntl.fcntl(present, fcntl.F_DUPFD_CLOEXEC, lowest) for number, present in descriptors.items()
    }
    for number, copy in copies.items():
        os.dup2(copy, number)
    os.execve(path, list(argv), env)  # noqa: S606 - no shell


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


def eldest_child(pid: int) -> int | None:
    """Return the first child of a process that has not been reaped; None if there is none."""
    try:
        children, _, _ = read(f"/proc/{pid}/task/{pid}/children").partition(" ")
    except OSError:  # it has ended
        return None
    return int(children) if children else None


def kill_child(parent: int) -> bool:
    """Kill the first child of a process, and its group at the same moment; return whether it has one."""
    child = eldest_child(parent)
    if child is None:
        return False
    try:
        descriptor = os.pidfd_open(child)
    except OSError:
        return False
    try:
        # It had not been reaped when it was opened, so that the id was not another process's by then.
        if eldest_child(parent) != child:
            return False
        with contextlib.suppress(ProcessLookupError):  # it may have gone to another group
            os.killpg(child, signal.SIGKILL)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


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
