"""The usage of a tree of processes at this moment, from /proc."""

import os
import time
from collections.abc import Callable, Iterator

from adapters.local_engine.sandbox.supervisor.kernel import read

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# The lowest bits of a process's clock, whose higher ones are its id, inverted: linux/posix-timers.h.
_CPU_CLOCK = 2
_PROCESSORS = os.cpu_count() or 1
# A tree that is larger is not looked at any further: what ends it is its other limits.
_MOST_PROCESSES = 1024
_SHORTEST_S = 0.01
_MEMORY_INTERVAL_S = 0.05
# The supervisor has other programs, and their deadlines, to look after: it looks at each for a short time,
# and no more often than takes a tenth of a processor.
_LONGEST_LOOK_S = 0.003
_PAUSE = 9
_LONGEST_PAUSE_S = 0.25

_Process = tuple[int, int]


def tree(root: int) -> Iterator[int]:
    """Return the ids of a process and its descendants."""
    pending, seen = [root], 0
    while pending and seen < _MOST_PROCESSES:
        pid = pending.pop()
        seen += 1
        yield pid
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                pending.extend(map(int, read(f"/proc/{pid}/task/{thread}/children").split()))
        except OSError:
            continue  # it has ended meanwhile


class TreeCpu:
    """The processor time of a tree.

    The time of a process that has ended is counted at the parent that waited for it. If its parent ignores
    the ends of its children, its time when it was last seen is kept.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        # Of each process of the last whole look, by its id and when it began.
        self._own_s: dict[_Process, float] = {}
        self._waited_s = self._gone_s = self._most_s = 0.0
        self._pending: Iterator[int] | None = None
        self._found_s: dict[_Process, float] = {}
        self._found_waited_s = 0.0
        self._read_at = time.monotonic()

    def __call__(self) -> float:
        """Return the processor time so far, in seconds; it never falls.

        It looks at the tree for a moment, which is enough for most; a larger tree takes several calls. In
        between it asks for the time of each process that it knows, which takes a microsecond.
        """
        if not self._look():
            self._ask_again()
        self._read_at = time.monotonic()
        now_s = sum(self._own_s.values())
        self._most_s = max(self._most_s, now_s + self._waited_s, now_s + self._gone_s)
        return self._most_s

    def _look(self) -> bool:
        """Go on looking at the tree; return whether every process has been seen."""
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
        # A process that took the place of one that has ended may be another program's, and have any time.
        most_s = (time.monotonic() - self._read_at) * _PROCESSORS
        for (pid, began), own_s in self._own_s.items():
            self._own_s[pid, began] = min(max(own_s, _clock_s(pid)), own_s + most_s)


def live_cpu_s(root: int) -> float:
    """Return the processor time of the processes of a tree to the nanosecond, without reaped ones."""
    return sum(map(_clock_s, tree(root)))


def _clock_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0  # it has ended meanwhile


def _cpu_times(pid: int) -> tuple[int, float, float]:
    """Return when a process began, its own processor time, and that of its reaped children, in seconds."""
    try:
        # proc(5): fields 14 to 17 and 22, counted behind the name, which may have spaces and brackets in it.
        fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    except OSError:
        return 0, 0.0, 0.0
    user, system, waited_user, waited_system = map(int, fields[11:15])
    own_s = max(_clock_s(pid), (user + system) * _TICK_S)
    return int(fields[19]), own_s, (waited_user + waited_system) * _TICK_S


def memory_kb(root: int) -> Iterator[tuple[int, int]]:
    """Return the processes of a tree, each with its memory; shared memory is counted once in the sum."""
    return ((pid, _figure_kb(pid, "smaps_rollup", "Pss:")) for pid in tree(root))


def largest_kb(root: int) -> int:
    """Return the largest memory that a process of a tree has had so far, of as many as there is time for.

    The kernel has that figure ready, however much the process has mapped.
    """
    until = time.monotonic() + _LONGEST_LOOK_S
    largest = 0
    for pid in tree(root):
        largest = max(largest, _figure_kb(pid, "status", "VmHWM:"))
        if time.monotonic() >= until:
            break
    return largest


def _figure_kb(pid: int, file: str, name: str) -> int:
    try:
        for line in read(f"/proc/{pid}/{file}").splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    except OSError:
        pass  # it has ended meanwhile, or was never ours to look at
    return 0


class UsageSampler:
    """Samples a tree of processes, and finds the limit that it exceeds.

    Args:
        root: The first process.
        cpu_s: Returns the processor time of the tree.
        allowed_cpu_s: The processor time that it may use from now on.
        allowed_memory_kb: The memory that it may use; None if something better than this sees to that.
        cpu_at_start_s: The processor time that it has used before, and that does not count.
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
        """Sample for the last time, quickly: the processes end without a parent to reap them."""
        self.read_cpu()
        self.largest_kb = largest_kb(self._root)

    def exceeded(self) -> str | None:
        """Return the name of the limit that is exceeded, if one is."""
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
        """Return the seconds for which processor time cannot exceed its limit, even with every processor."""
        seconds = max(_SHORTEST_S, (self._allowed_cpu_s - self.last_cpu_s) / _PROCESSORS)
        if self._allowed_memory_kb is not None:
            seconds = min(seconds, _MEMORY_INTERVAL_S)
        return max(seconds, self._pause_s)

    @property
    def present_kb(self) -> int:
        """The memory of the processes at the last look; 0 where that is not sampled."""
        return sum(self._seen_kb.values())

    def read_cpu(self) -> None:
        """Sample the processor time."""
        self.last_cpu_s = self._cpu_s() - self.cpu_at_start_s

    def _read_memory(self) -> None:
        """Sample memory for a moment, which is enough for most trees; a larger one takes several calls."""
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
        """Return the sampled memory of a process, 0 if it has ended: another one may have it by now."""
        return self._seen_kb[pid] if os.path.exists(f"/proc/{pid}") else 0
