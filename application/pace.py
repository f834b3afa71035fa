"""The pace of work in the background that shares the database with callers."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from application.ports.clock import Clock

T = TypeVar("T")

# A transaction holds its locks for less than 50 ms: the time of its rows, and that of any transaction.
_TARGET_S = 0.02
_LONGEST_S = 0.045
# So much more the quickest step counts with each that follows, for it may have been long ago.
_FORGETTING = 1.05
_SHARE = 0.1
# The share of work that is to be done soon: SQLite lets other writers in between two transactions only.
SOON = 0.5
_FIRST, _LARGEST = 10, 500
# A single pause is no longer than that, also after a long step.
_LONGEST_REST_S = 5.0


class Pace:
    """Sizes batches by the time that they take, and rests after each.

    * A batch that took longer than the target makes the next one smaller, a quick one makes it larger. The
      time that a transaction takes without rows is left out of it, as far as the whole is short enough: it is
      that of the quickest step of late.
    * Of all the time, only a share is spent with work.

    Args:
        clock: The clock.
        rest: Waits; by default the clock's wait.
        share: The share of the time that is spent with work.
        target_s: The time that a batch is to take, in seconds.
        largest: The size of a batch at most.
        observe: Is called with the time that each step took, in seconds.
    """

    def __init__(
        self,
        clock: Clock,
        rest: Callable[[float], object] | None = None,
        share: float = _SHARE,
        target_s: float = _TARGET_S,
        largest: int = _LARGEST,
        observe: Callable[[float], object] | None = None,
    ) -> None:
        self._clock = clock
        self._rest = rest or clock.sleep
        self._share = share
        self._target_s = target_s
        self._largest = largest
        self._observe = observe
        self._size = min(_FIRST, largest)
        self._quickest_s = target_s

    def hurried(self) -> "Pace":
        """Return a pace with the same bound on a batch, and rests that are as long as the work."""
        return Pace(self._clock, self._rest, SOON, self._target_s, self._largest, self._observe)

    def step(self, work: Callable[[int], T]) -> T:
        """Do a batch of work, which is given its size, and rest."""
        started = self._clock.monotonic()
        size = self._size
        done = work(size)
        took_s = self._clock.monotonic() - started
        if self._observe is not None:
            self._observe(took_s)
        self._quickest_s = min(self._quickest_s * _FORGETTING, took_s)
        allowed_s = min(self._quickest_s + self._target_s, _LONGEST_S)
        if took_s > allowed_s:
            self._size = max(int(size * allowed_s / took_s), 1)
        elif took_s < allowed_s / 2:
            self._size = min(size * 2, self._largest)
        self._rest(min(took_s * (1.0 / self._share - 1.0), _LONGEST_REST_S))
        return done

    def batches(self, items: Sequence[T], work: Callable[[Sequence[T]], object]) -> Iterator[int]:
        """Do work with all items, batch by batch; yield the number of each batch's items after it."""
        first = 0
        while first < len(items):
            batch = self.step(lambda size, first=first: self._of(items[first : first + size], work))  # type: ignore[misc]
            first += batch
            yield batch

    @staticmethod
    def _of(batch: Sequence[T], work: Callable[[Sequence[T]], object]) -> int:
        work(batch)
        return len(batch)
