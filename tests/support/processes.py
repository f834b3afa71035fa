"""Processes in tests: servers, and inspection of processes that a test did not start itself."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

# Longer than anything that succeeds takes, even on a host with ten times the usual load.
PATIENCE_S = 90.0
# setpriv(1) becomes the command behind it, which the kernel kills when the thread that started it ends. So
# servers, which the main thread starts, do not outlive a test run that is killed.
ENDS_WITH_ITS_PARENT = ("setpriv", "--pdeathsig", "KILL", "--")


def command_lines() -> dict[int, str]:
    """Return the command lines of all live processes by their ids."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                )
            except OSError:
                continue  # the process has ended meanwhile
    return found


def with_word(word: str) -> list[int]:
    """Return the ids of live processes whose command line contains a word."""
    return [pid for pid, line in command_lines().items() if word in line]


def memory_kb(pid: int, figure: str = "VmRSS") -> int:
    """Return a figure of a process's memory from /proc."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{figure}:"))


def descriptors(pid: int) -> list[str]:
    """Return the targets of a live process's descriptors, in the order of their numbers."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # the descriptor was closed meanwhile
            found[int(link.name)] = str(link.readlink())
    return [found[number] for number in sorted(found)]


def eventually(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Return whether a condition becomes true in time."""
    begin = time.monotonic()
    while not condition():
        if (waited_s := time.monotonic() - begin) > within_s:
            return False
        pause(waited_s)
    return True


def pause(waited_s: float) -> None:
    """Sleep between two checks of a condition, longer the longer a test has waited already."""
    time.sleep(min(0.005 + waited_s / 20, 0.1))


def cpu_s(threads: Iterable[Thread]) -> float:
    """Return the processor time that threads of this process have used, in seconds."""
    return sum(time.clock_gettime(time.pthread_getcpuclockid(thread.ident)) for thread in threads)


def freeze(pid: int) -> None:
    """Stop a process until SIGCONT, and wait until all of its threads have stopped."""
    os.kill(pid, signal.SIGSTOP)
    assert eventually(lambda: all(map(_has_stopped, Path(f"/proc/{pid}/task").iterdir())))


def _has_stopped(thread: Path) -> bool:
    try:
        # proc(5): the state follows the name, which is in parentheses and may contain parentheses.
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return True  # the thread has ended meanwhile


@contextmanager
def server_process(module: str, *arguments: str) -> Iterator[str]:
    """Run a module that prints the port on which it listens, in a separate process; yield its address."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [*ENDS_WITH_ITS_PARENT, sys.executable, "-m", module, *arguments],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        with process:
            try:
                port = process.stdout.readline().strip()
                errors.seek(0)
                assert port, errors.read()
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
