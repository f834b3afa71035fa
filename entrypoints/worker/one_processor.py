import logging
import os
import random
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.common.background import PeriodicTask
from entrypoints.worker.processor_use import ProcessorUse, Use, kept_to_one

logger = logging.getLogger("service_server.processor")

_LOOK_EVERY_S = 1.0
# A processor that is used so much has little room left, and one that is used no more than that has some.
_CROWDED_PERCENT = 85.0
_ROOMY_PERCENT = 75.0
# Others that use so much of a processor are not only passing by.
_OTHERS_PERCENT = 40.0
# How often others are counted after the start: those that start at the same moment do not see each other.
_COUNTS = 5
_THREADS = Path("/proc/self/task")


class OneProcessor:
    """Keeps this process's threads on one processor: one that few others are kept to, later one with room.

    The interpreter's lock lets one of them work at a time. With several processors each hand-over of it wakes
    another one, whose thread then often finds it taken again; on one, the next thread just goes on.

    Args:
        look: Tells how processors were used since it was last called.
    """

    def __init__(self, look: Callable[[], Use]) -> None:
        self._look = look
        self._allowed = os.sched_getaffinity(0)
        self._mine: int | None = None
        self._counts_left = _COUNTS

    def settle(self) -> None:
        """Stay or move. Where the system does not permit it, the threads stay where it puts them."""
        if len(self._allowed) <= 1:
            return
        try:
            self._settle()
        except (OSError, ValueError) as error:
            logger.info("threads stay where the system puts them: %s", error)
            self._allowed = set()

    def leave(self) -> None:
        """Let the threads go wherever they were allowed to be."""
        if self._mine is not None and self._allowed:
            with suppress(OSError):  # they stay where they are
                _keep(self._allowed)

    def _settle(self) -> None:
        use = self._look()
        place = os.sched_getaffinity(0)
        if self._mine is not None and place != {self._mine}:  # the system has taken it away
            self._mine, self._allowed = None, place
        if self._mine is None:
            self._move(loneliest(self._allowed, kept_to_one().values()))
            return
        better = roomier(self._mine, self._allowed, use)
        if better == self._mine and self._counts_left > 0:
            self._counts_left -= 1
            better = loneliest(self._allowed, kept_to_one().values(), self._mine)
        # By chance, for two that are in each other's way see the same.
        if better != self._mine and random.choice((True, False)):  # noqa: S311 - no secret
            logger.debug("from processor %d to %d", self._mine, better)
            self._move(better)

    def _move(self, processor: int) -> None:
        _keep({processor})
        self._mine = processor


def _keep(processors: Collection[int]) -> None:
    """Keep every thread of this process to processors."""
    moved: set[str] = set()
    # A new thread begins where its maker is, so one may have begun behind our back.
    while left := {thread.name for thread in _THREADS.iterdir()} - moved:
        for thread in left:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), processors)
        moved |= left


def loneliest(allowed: Collection[int], kept: Iterable[int], mine: int | None = None) -> int:
    """Return one of the processors that the fewest are kept to, or the fewest others: mine, if it is one."""
    numbers = Counter(kept)
    if mine is not None:
        numbers[mine] -= 1
    fewest = min(numbers[processor] for processor in allowed)
    if mine is not None and numbers[mine] == fewest:
        return mine
    return random.choice([each for each in allowed if numbers[each] == fewest])  # noqa: S311 - no secret


def roomier(mine: int, allowed: Collection[int], use: Use) -> int:
    """Return the processor to be on, of those that are allowed."""
    percents = {processor: use.of_all.get(processor, 100.0) for processor in allowed}
    best = min(percents, key=percents.__getitem__)
    is_crowded = percents[mine] >= _CROWDED_PERCENT and percents[mine] - use.own >= _OTHERS_PERCENT
    return best if is_crowded and percents[best] <= _ROOMY_PERCENT else mine


@contextmanager
def on_one_processor(*, wanted: bool) -> Iterator[None]:
    """Keep this process's threads, and those that are still to come, on one processor if that is wanted."""
    if not wanted:
        yield
        return
    one = OneProcessor(ProcessorUse())
    loop = PeriodicTask("processor", one.settle, _LOOK_EVERY_S)
    loop.start()
    try:
        yield
    finally:
        loop.stop()
        one.leave()
