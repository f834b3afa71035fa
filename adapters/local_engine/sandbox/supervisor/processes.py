"""Linux processes: children, sessions, signals and usage."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from adapters.local_engine.sandbox.supervisor.kernel import end_with_parent, read

# Signals that Python or the service's parent has set to be ignored, which a program would inherit.
IGNORED_SIGNALS = [number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN]
# The exit code of a child that could not execute its command.
_FAILED = 127


@dataclass(slots=True)
class Usage:
    """The usage of processes: the sum of their times, and the largest memory."""

    cpu_s: float = 0.0
    memory_kb: int = 0

    def add(self, cpu_s: float, memory_kb: int) -> None:
        """Add the usage of a process."""
        self.cpu_s += cpu_s
        self.memory_kb = max(self.memory_kb, memory_kb)


def spawn(
    argv: Sequence[str], env: Mapping[str, str], descriptors: Mapping[int, int], path: str | None = None
) -> int:
    """Start a child in its own session; return its id.

    Args:
        argv: The command line, whose first word is an absolute path unless `path` is given.
        env: The whole environment.
        descriptors: Our descriptors that the child inherits, by their numbers in the child.
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
    """Start a child like `spawn`, which executes a step that may take long, and then the command.

    The child has the current privileges and namespaces, and ends with this process.

    Args:
        step: The step.
        on_error: Called in the child with an error of the step or the command, before the child ends.
        argv: The command line.
        env: The whole environment.
        descriptors: Our descriptors that the child inherits, by their numbers in the child.
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
    """Execute a command in this process in the same way as `spawn` does in a new one."""
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
    """Return the ids of this process's children, including zombies."""
    return {int(pid) for pid in read(f"/proc/self/task/{os.getpid()}/children").split()}


def session_of(pid: int) -> int | None:
    """Return the session of a process; None if the process has ended."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def kill(pid: int) -> None:
    """Kill a process. Does nothing if it has ended."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def eldest_child(pid: int) -> int | None:
    """Return the first child of a process, possibly a zombie; None if there is none."""
    try:
        children, _, _ = read(f"/proc/{pid}/task/{pid}/children").partition(" ")
    except OSError:  # the process has ended
        return None
    return int(children) if children else None


def kill_child(parent: int) -> bool:
    """Kill the first child of a process together with the child's group; return whether there was a child."""
    child = eldest_child(parent)
    if child is None:
        return False
    try:
        descriptor = os.pidfd_open(child)
    except OSError:
        return False
    try:
        # Still the same child: so it had not been reaped, and its id not reused, when the pidfd was opened.
        if eldest_child(parent) != child:
            return False
        with contextlib.suppress(ProcessLookupError):  # the child may have moved to another group
            os.killpg(child, signal.SIGKILL)
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def kill_group(leader: int) -> None:
    """Kill a process group. The leader must not have been reaped, because its id may then be reused.

    A leader that has just been forked has no group yet, so it is also killed on its own.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
    kill(leader)


def end(pid: int) -> None:
    """Kill a child and wait for it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def reap(pid: int, usage: Usage) -> int:
    """Wait for a child; add the usage of the child and of its reaped children; return its status."""
    _, status, used = os.wait4(pid, 0)
    usage.add(used.ru_utime + used.ru_stime, used.ru_maxrss)
    return status
