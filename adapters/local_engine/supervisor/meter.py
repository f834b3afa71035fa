"""What a tree of processes is using right now, from /proc."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# The lowest bits of a process's clock, whose higher ones are its id, inverted: linux/posix-timers.h.
_CPU_CLOCK = 2
_PROCESSORS = os.cpu_count() or 1
# A tree that is larger is not looked at any further: what ends it is its other limits.
_MOST_PROCESSES = 1024
_SHORTEST_S = 0.01
_MEMORY_INTERVAL_S = 0.05


def tree(root: int) -> Iterator[int]:
    """Return the ids of a process and its descendants."""
    pending, seen = [root], 0
    while pending and seen < _MOST_PROCESSES:
        pid = pending.pop()
        seen += 1
        yield pid
        try:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                pending.extend(int(child) for child in children.read_text().split())
        except OSError:
            continue  # it has ended meanwhile


def cpu_s(root: int) -> float:
    """Return the processor time of a tree and of those of its processes that were waited for."""
    return sum(_cpu_ticks(pid) for pid in tree(root)) * _TICK_S


def live_cpu_s(root: int) -> float:
    """Return the processor time of the processes of a tree to the nanosecond, without those waited for."""
    return sum(map(_clock_s, tree(root)))


def _clock_s(pid: int) -> float:
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return 0.0  # it has ended meanwhile


def _cpu_ticks(pid: int) -> int:
    try:
        # proc(5): fields 14 to 17, counted behind the name, which may have spaces and brackets in it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(int(field) for field in fields[11:15])


def memory_kb(root: int) -> int:
    """Return the memory of a tree; what processes share is counted once."""
    return sum(_proportional_kb(pid) for pid in tree(root))


def _proportional_kb(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:
        pass  # it has ended meanwhile, or was never ours to look at
    return 0


class Meter:
    """Says which limit a tree of processes exceeds, and when to look again.

    Args:
        root: The first process.
        allowed_cpu_s: The processor time that it may use from now on.
        allowed_memory_kb: The memory that it may use; None if something better than this sees to that.
        cpu_at_start_s: The processor time that it has used before, and that does not count.
    """

    def __init__(
        self, root: int, allowed_cpu_s: float, allowed_memory_kb: int | None, cpu_at_start_s: float
    ) -> None:
        self._root = root
        self._allowed_cpu_s = allowed_cpu_s
        self._allowed_memory_kb = allowed_memory_kb
        self.cpu_at_start_s = cpu_at_start_s
        self.last_cpu_s = 0.0
        self.last_memory_kb = 0
        self.peak_kb = 0

    def read(self) -> None:
        """Take both figures."""
        self._read_cpu()
        self._read_memory()

    def exceeded(self) -> str | None:
        """Return the name of the limit that is exceeded, if one is."""
        if self._allowed_memory_kb is not None:
            self._read_memory()
            if self.peak_kb > self._allowed_memory_kb:
                return "memory_mb"
        self._read_cpu()
        return "cpu_time_ms" if self.last_cpu_s >= self._allowed_cpu_s else None

    def seconds_to_next_look(self) -> float:
        """Return how long no limit of processor time can be exceeded, even with every processor."""
        seconds = max(_SHORTEST_S, (self._allowed_cpu_s - self.last_cpu_s) / _PROCESSORS)
        return seconds if self._allowed_memory_kb is None else min(seconds, _MEMORY_INTERVAL_S)

    def _read_cpu(self) -> None:
        self.last_cpu_s = cpu_s(self._root) - self.cpu_at_start_s

    def _read_memory(self) -> None:
        self.last_memory_kb = memory_kb(self._root)
        self.peak_kb = max(self.peak_kb, self.last_memory_kb)
