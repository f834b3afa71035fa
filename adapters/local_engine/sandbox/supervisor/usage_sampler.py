"""Sampling of the current usage of a process tree, from /proc."""

import os
import time
from collections.abc import Callable, Iterator

from adapters.local_engine.sandbox.supervisor.kernel import read

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# The lowest bits of a process's clock id. The higher bits are the inverted process id: linux/posix-timers.h.
_CPU_CLOCK = 2
_PROCESSORS = os.cpu_count() or 1
# No more processes of a tree are sampled. A larger tree is ended by its other limits.
_MOST_PROCESSES = 1024
_SHORTEST_S = 0.01
_MEMORY_INTERVAL_S = 0.05
# The supervisor has other programs and deadlines to watch. So it samples each program for a short time, and
# pauses long enough to use at most a tenth of a processor.
_LONGEST_LOOK_S = 0.003
_PAUSE = 9
_LONGEST_PAUSE_S = 0.25

_Process = tuple[int, int]


def tree(root: int) -> Iterator[int]:
    """Yield the ids of a process and its descendants."""
    pending, seen = [root], 0
    while pending and seen < _MOST_PROCESSES:
        pid = pending.pop()
        seen += 1
        yield pid
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                pending.extend(map(int, read(f"/proc/{pid}/task/{thread}/children").split()))
        except OSError:
            continue  # the process has ended meanwhile


class TreeCpu:
    """The processor time of a tree.

    The time of an ended process is included in the time of the parent that waited for it. If the parent
    ignores the ends of its children, the last known time of the process is kept.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        # The time of each process in the last complete scan, by its id and start time.
        self._own_s: dict[_Process, float] = {}
        self._waited_s = self._gone_s = self._most_s = 0.0
        self._pending: Iterator[int] | None = None
        self._found_s: dict[_Process, float] = {}
        self._found_waited_s = 0.0
        self._read_at = time.monotonic()

    def __call__(self) -> float:
        """Return the processor time so far, in seconds. It never decreases.

        Each call scans the tree for a short time, which suffices for most trees. A larger tree takes several
        calls; in between, only the times of the known processes are read, which takes a microsecond each.
        """
        if not self._look():
            self._ask_again()
        self._read_at = time.monotonic()
        now_s = sum(self._own_s.values())
        self._most_s = max(self._most_s, now_s + self._waited_s, now_s + self._gone_s)
        return self._most_s

    def _look(self) -> bool:
        """Continue the scan of the tree; return whether it is complete."""
        until = time.monotonic() + _LONGEST_LOOK_S
        if self._pending is None:
            self._pending, self._found_s, self._found_waited_s = tree(self._root), {}, 0.0
        for pid in self._pending:
            began, own_s, waited_s = _cpu_times(pid)
            self._found_s[pid, began] = own_s
            self._found_waited_s += waited_s
            if time.monotonic() >= until:
                return False
        self._pending = None
        self._gone_s += sum(own_s for key, own_s in self._own_s.items() if key not in self._found_s)
        self._own_s, self._waited_s = self._found_s, self._found_waited_s
        return True

    def _ask_again(self) -> None:
        # The id of an ended process may have been reused for a process of any program with any time.
        most_s = (time.monotonic() - self._read_at) * _PROCESSORS
        for (pid, began), own_s in self._own_s.items():
            self._own_s[pid, began] = min(max(own_s, _clock_s(pid)), own_s + most_s)


def live_cpu_s(root: int) -> float:
    """Return the processor time of a tree, without reaped processes, to the nanosecond."""
    return sum(map(_clock_s, tree(root)))


def _clock_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0  # the process has ended meanwhile


def _cpu_times(pid: int) -> tuple[int, float, float]:
    """Return a process's start time, its own processor time, and that of its reaped children, in seconds."""
    try:
        # proc(5): fields 14 to 17 and 22, counted from the end of the name, which may contain spaces and
        # brackets.
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return 0, 0.0, 0.0
    user, system, waited_user, waited_system = map(int, fields[11:15])
    own_s = max(_clock_s(pid), (user + system) * _TICK_S)
    return int(fields[19]), own_s, (waited_user + waited_system) * _TICK_S


def memory_kb(root: int) -> Iterator[tuple[int, int]]:
    """Yield the processes of a tree with their memory, whose sum counts shared memory once."""
    return ((pid, _figure_kb(pid, "smaps_rollup", "Pss:")) for pid in tree(root))


def largest_kb(root: int) -> int:
    """Return the largest peak memory of the processes of a tree, of as many as there is time for.

    The kernel keeps that figure, so the time to read it does not depend on the size of a process.
    """
    until = time.monotonic() + _LONGEST_LOOK_S
    largest = 0
    for pid in tree(root):
        largest = max(largest, peak_kb(pid))
        if time.monotonic() >= until:
            break
    return largest


def peak_kb(pid: int) -> int:
    """Return the peak memory of a process since its last exec; 0 if it has ended."""
    return _figure_kb(pid, "status", "VmHWM:")


def _figure_kb(pid: int, file: str, name: str) -> int:
    try:
        for line in read(f"/proc/{pid}/{file}").splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    except OSError:
        pass  # the process has ended meanwhile, or may not be inspected
    return 0


class UsageSampler:
    """Samples a process tree, and finds the limit that it exceeds.

    Args:
        root: The first process.
        cpu_s: Returns the processor time of the tree.
        allowed_cpu_s: The processor time that the tree may use from now on.
        allowed_memory_kb: The memory that the tree may use; None if a control group enforces that.
        cpu_at_start_s: The processor time that the tree has used before, which does not count.
    """

    def __init__(
        self,
        root: int,
        cpu_s: Callable[[], float],
        allowed_cpu_s: float,
        allowed_memory_kb: int | None,
        cpu_at_start_s: float,
    ) -> None:
        self._root = root
        self._cpu_s = cpu_s
        self._allowed_cpu_s = allowed_cpu_s
        self._allowed_memory_kb = allowed_memory_kb
        self.cpu_at_start_s = cpu_at_start_s
        self.last_cpu_s = 0.0
        self.largest_kb = 0
        self.peak_kb = 0
        self._figures: Iterator[tuple[int, int]] | None = None
        self._seen_kb: dict[int, int] = {}
        self._pause_s = 0.0

    def read(self) -> None:
        """Take a last, quick sample of processes that end without a parent to reap them."""
        self.read_cpu()
        self.largest_kb = largest_kb(self._root)

    def exceeded(self) -> str | None:
        """Return the name of the exceeded limit; None if none is exceeded."""
        began = time.monotonic()
        try:
            return self._exceeded()
        finally:
            self._pause_s = min(_PAUSE * (time.monotonic() - began), _LONGEST_PAUSE_S)

    def _exceeded(self) -> str | None:
        if self._allowed_memory_kb is not None:
            self._read_memory()
            if self.peak_kb > self._allowed_memory_kb:
                return "memory_mb"
        self.read_cpu()
        return "cpu_time_ms" if self.last_cpu_s >= self._allowed_cpu_s else None

    def seconds_to_next_sample(self) -> float:
        """Return the seconds in which the tree cannot exceed its processor time, even on all processors."""
        seconds = max(_SHORTEST_S, (self._allowed_cpu_s - self.last_cpu_s) / _PROCESSORS)
        if self._allowed_memory_kb is not None:
            seconds = min(seconds, _MEMORY_INTERVAL_S)
        return max(seconds, self._pause_s)

    @property
    def present_kb(self) -> int:
        """The memory of the tree in the last sample; 0 if memory is not sampled."""
        return sum(self._seen_kb.values())

    def read_cpu(self) -> None:
        """Sample the processor time."""
        self.last_cpu_s = self._cpu_s() - self.cpu_at_start_s

    def _read_memory(self) -> None:
        """Sample memory for a short time, which suffices for most trees; a larger one takes several calls."""
        until = time.monotonic() + _LONGEST_LOOK_S
        if self._figures is None:
            self._figures, self._seen_kb = memory_kb(self._root), {}
        for pid, size_kb in self._figures:
            self._seen_kb[pid] = size_kb
            if time.monotonic() >= until:
                break
        else:
            self._figures = None
        if sum(self._seen_kb.values()) > self.peak_kb:
            self.peak_kb = max(self.peak_kb, sum(map(self._present_kb, self._seen_kb)))

    def _present_kb(self, pid: int) -> int:
        """Return the sampled memory of a process; 0 if it has ended, as another may use the memory by now."""
        return self._seen_kb[pid] if os.path.exists(f"/proc/{pid}") else 0
