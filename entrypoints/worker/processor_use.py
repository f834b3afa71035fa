"""How much of each processor is in use, as the system tells it."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")
# proc(5): user, nice, system, idle, iowait, irq, softirq and steal; who is a guest counts as a user, too.
_COUNTED = slice(1, 9)
_IDLE = slice(4, 6)


@dataclass(frozen=True, slots=True)
class Use:
    """How much of processors was used of late, in percent of one.

    Attributes:
        of_all: Of each, by whomever.
        own: By this process.
    """

    of_all: Mapping[int, float]
    own: float


@dataclass(frozen=True, slots=True)
class _Look:
    ticks: Mapping[int, tuple[int, int]]  # by processor: all that have passed, and those it was idle
    own_s: float
    at_s: float

    @classmethod
    def now(cls) -> "_Look":
        found = {}
        for line in _STAT.read_text().splitlines():
            name, *_ = fields = line.split()
            if name.startswith("cpu") and name != "cpu":
                found[int(name[3:])] = (sum(map(int, fields[_COUNTED])), sum(map(int, fields[_IDLE])))
        return cls(found, time.process_time(), time.monotonic())


class ProcessorUse:
    """Tells how processors were used since it was last asked; of a time before the first time, nothing."""

    def __init__(self) -> None:
        self._seen: _Look | None = None

    def __call__(self) -> Use:
        """Return the use since the call before.

        Raises:
            OSError: The system does not tell.
            ValueError: What it tells cannot be read.
        """
        before, self._seen = self._seen, _Look.now()
        if before is None:
            return Use({}, 0.0)
        now = self._seen
        both = before.ticks.keys() & now.ticks.keys()
        passed_s = max(now.at_s - before.at_s, 1e-3)
        return Use(
            {processor: _percent(before.ticks[processor], now.ticks[processor]) for processor in both},
            100 * (now.own_s - before.own_s) / passed_s,
        )


def _percent(before: tuple[int, int], now: tuple[int, int]) -> float:
    passed, idle = now[0] - before[0], now[1] - before[1]
    return 100 * (passed - idle) / passed if passed > 0 else 0.0


def kept_to_one() -> Mapping[int, int]:
    """Return the processor of each process that is kept to one, by its id, as far as this one sees others."""
    kept = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):  # noqa: PTH208 - names are all it takes
        process = int(name)
        with suppress(OSError):  # it has ended
            place = os.sched_getaffinity(process)
            if len(place) == 1 and os.getpgid(process):  # those of the kernel have no group
                kept[process] = min(place)
    return kept
