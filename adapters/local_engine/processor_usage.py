"""The processor usage of this machine while programs run for cases."""

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
# One minute of samples: longer than a program that is run again may take.
_KEPT = 600
# The number of points in a series, at most. Each point is the average of several samples.
MAX_POINTS = 24
_STAT = Path("/proc/stat")
# Fields of a "cpu" line: idle and iowait are idle time, and other fields include guest time (proc_stat(5)).
_IDLE = slice(3, 5)
_COUNTED = slice(0, 8)


class ProcessorUsage:
    """Samples the usage of all processors of this machine while something watches it.

    Args:
        read: Returns the content of /proc/stat.
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
        """Sample while the context lasts."""
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
        """Return the usage in percent, at even intervals between two times of the clock.

        The series is empty where /proc/stat cannot be read.
        """
        self.sample()  # without this, a short interval could have no sample
        with self._lock:
            found = [percent for at, percent in self._samples if begin < at <= max(end, begin)]
            if not found:
                found = [percent for at, percent in self._samples if at > begin][:1]
        points = min(len(found), MAX_POINTS)
        bounds = [place * len(found) // points for place in range(points + 1)] if points else []
        return [round(fmean(found[low:high])) for low, high in pairwise(bounds)]

    def sample(self) -> None:
        """Take a sample of the time since the previous sample."""
        try:
            fields = [int(field) for field in self._read().split("\n", 1)[0].split()[1:]]
        except (OSError, ValueError):  # /proc/stat is missing or hidden
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
