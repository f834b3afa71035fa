"""The use of this machine's processors while programs run for cases."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from threading import Lock

from adapters.common.background import BackgroundThread

_EVERY_S = 0.1
# Longer than a program that is run once more may take.
_KEPT = 600
# A series has as many points at most, each the average of some samples.
MAX_POINTS = 24
_STAT = Path("/proc/stat")
# Of the fields of a processor's line: idle and iowait; those of guests are within the others (proc_stat(5)).
_IDLE = slice(3, 5)
_COUNTED = slice(0, 8)


class ProcessorUsage:
    """Samples the use of all processors of this machine, as long as something watches it.

    Args:
        read: Returns the text of the kernel's statistics.
        clock: Returns the seconds of a monotonic clock.
        every_s: Seconds between two samples.
    """

    def __init__(
        self,
        read: Callable[[], str] = _STAT.read_text,
        clock: Callable[[], float] = time.monotonic,
        every_s: float = _EVERY_S,
    ) -> None:
        self._read = read
        self._clock = clock
        self._every_s = every_s
        self._lock = Lock()
        self._watchers = 0
        self._thread: BackgroundThread | None = None
        self._last: tuple[int, int] | None = None
        self._samples: deque[tuple[float, float]] = deque(maxlen=_KEPT)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Sample for as long as the context lasts."""
        with self._lock:
            self._watchers += 1
            if self._watchers == 1:
                self._last = None
                self._thread = BackgroundThread("processor-usage", self._step)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if self._watchers == 0 and self._thread is not None:
                    self._thread.interrupt()
                    self._thread = None

    def between(self, begin: float, end: float) -> Sequence[int]:
        """Return the use in percent, at even steps from one time of the clock to another.

        It is empty where the kernel has no statistics.
        """
        self.sample()  # or a short time might have no sample
        with self._lock:
            found = [percent for at, percent in self._samples if begin < at <= max(end, begin)]
            if not found:
                found = [percent for at, percent in self._samples if at > begin][:1]
        points = min(len(found), MAX_POINTS)
        bounds = [place * len(found) // points for place in range(points + 1)] if points else []
        return [round(fmean(found[low:high])) for low, high in pairwise(bounds)]

    def sample(self) -> None:
        """Take a sample of the time since the last one."""
        try:
            fields = [int(field) for field in self._read().split("\n", 1)[0].split()[1:]]
        except (OSError, ValueError):  # a kernel without /proc/stat, or one that hides it
            return
        now = self._clock()
        idle, total = sum(fields[_IDLE]), sum(fields[_COUNTED])
        with self._lock:
            if self._last is None:
                self._last = idle, total
                return
            idle_before, total_before = self._last
            passed = total - total_before
            if passed <= 0:
                return
            self._last = idle, total
            busy = 100 * (1 - (idle - idle_before) / passed)
            self._samples.append((now, min(max(busy, 0.0), 100.0)))

    def _step(self) -> None:
        self.sample()
        thread = self._thread
        if thread is not None:
            thread.pause(self._every_s)
