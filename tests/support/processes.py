"""Processes of tests: servers, and a look at ones that a test did not start itself."""

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

# Longer than anything takes that happens at all, on a machine that is ten times as busy as usual.
PATIENCE_S = 90.0


def command_lines() -> dict[int, str]:
    """Return the command line of every live process by its id."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                found[int(entry.name)] = (
                    (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
                )
            except OSError:
                continue  # it has ended meanwhile
    return found


def with_word(word: str) -> list[int]:
    """Return the ids of live processes whose command line has a word."""
    return [pid for pid, line in command_lines().items() if word in line]


def memory_kb(pid: int, figure: str = "VmRSS") -> int:
    """Return a figure of a process's memory from /proc."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{figure}:"))


def descriptors(pid: int) -> list[str]:
    """Return the targets of a live process's descriptors, in the order of their numbers."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it is closed at this moment
            found[int(link.name)] = str(link.readlink())
    return [found[number] for number in sorted(found)]


def eventually(condition: Callable[[], bool], within_s: float = PATIENCE_S) -> bool:
    """Return whether a condition comes true in time."""
    begin = time.monotonic()
    while not condition():
        if (waited_s := time.monotonic() - begin) > within_s:
            return False
        pause(waited_s)
    return True


def pause(waited_s: float) -> None:
    """Sleep between two looks at a condition: the longer, the longer a test has waited for it already."""
    time.sleep(min(0.005 + waited_s / 20, 0.1))


def cpu_s(threads: Iterable[Thread]) -> float:
    """Return the processor time that threads of this process have used, in seconds."""
    return sum(time.clock_gettime(time.pthread_getcpuclockid(thread.ident)) for thread in threads)


def freeze(pid: int) -> None:
    """Stop a process that goes on with SIGCONT, and wait until each of its threads has stopped."""
    os.kill(pid, signal.SIGSTOP)
    assert eventually(lambda: all(map(_has_stopped, Path(f"/proc/{pid}/task").iterdir())))


def _has_stopped(thread: Path) -> bool:
    try:
        # proc(5): the state follows the name, which stands in brackets and may have some in it.
        return (thread / "stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return True  # it has ended meanwhile


@contextmanager
def server_process(module: str, *arguments: str) -> Iterator[str]:
    """Run a module that prints the port on which it listens, in a process of its own; give its address."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True
        )
        with process:
            try:
                port = process.stdout.readline().strip()
                errors.seek(0)
                assert port, errors.read()
                yield f"http://127.0.0.1:{port}"
            finally:
                process.kill()
