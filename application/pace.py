"""The pace of work in the background that shares the database with callers."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TypeVar

from application.ports.clock import Clock

T = TypeVar("T")
S = TypeVar("S")

# A transaction holds its locks for less than 50 ms: the time of its rows, and that of any transaction.
TARGET_S = 0.02
LONGEST_S = 0.045
# A batch that took too long makes the next one half as large, or smaller; a quick one a quarter larger.
_SHRINK, _GROWTH = 2, 4
# So much more the quickest step counts with each that follows, for it may have been long ago.
_FORGETTING = 1.05
_SHARE = 0.1
# The share of work that is to be done soon: SQLite lets other writers in between two transactions only.
SOON = 0.5
FIRST, LARGEST = 10, 500
# A single pause is no longer than that, also after a long step.
_LONGEST_REST_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The outcome of a batch that may be full without having done all of its items.

    Attributes:
        done: How many items are done.
        is_full: Whether it was as much work as a batch of its size has.
    """

    done: int
    is_full: bool


class Pace:
    """Sizes batches by the time that they take, and rests after each.

    * A batch that took longer than the target makes the next one of its kind half as large at most; a full
      one that was quick makes it a quarter larger. The time that a transaction takes without rows is left
      out of it, as far as the whole is short enough: it is that of the quickest step of late.
    * The time of a batch is that of its transaction, from where `timed` work begins: before it, other
      writers may be waited for, and nothing is locked.
    * Of all the time, only a share is spent with work.

    Not to be used by several threads at once.

    Args:
        clock: The clock.
        rest: Waits; by default the clock's wait.
        share: The share of the time that is spent with work.
        target_s: The time that a batch is to take, in seconds.
        largest: The size of a batch at most.
        observe: Is called with the time that each batch took, in seconds.
    """

    def __init__(
        self,
        clock: Clock,
        rest: Callable[[float], object] | None = None,
        share: float = _SHARE,
        target_s: float = TARGET_S,
        largest: int = LARGEST,
        observe: Callable[[float], object] | None = None,
    ) -> None:
        self._clock = clock
        self._rest = rest or clock.sleep
        self._share = share
        self._target_s = target_s
        self._largest = largest
        self._observe = observe
        self._learned = _Learned()

    def begin(self) -> None:
        """Begin a pass: batches that have become small begin anew, for what disturbed them may be over."""
        for size in self._learned.sizes.values():
            size.items = max(size.items, min(FIRST, self._largest))

    def hurried(self) -> "Pace":
        """Return a pace with the same sizes of batches, and rests that are as long as the work."""
        pace = copy(self)
        pace._share = SOON  # noqa: SLF001 - of its own class
        return pace

    def timed(self, work: Callable[[S], T]) -> Callable[[S], T]:
        """Return the work of a transaction with whose begin the time of the present batch begins."""

        def begun(transaction: S) -> T:
            self._learned.begin = self._clock.monotonic()
            return work(transaction)

        return begun

    def step(self, kind: str, work: Callable[[int], int | Progress]) -> int:
        """Do a batch of one kind of work, and rest; return how much was done.

        Args:
            kind: The kind, whose batches are of a size of their own.
            work: Is given the size of the batch, and returns how much of it is done; all of it is a full one.
        """
        first = _BatchSize(min(FIRST, self._largest), self._target_s)
        size = self._learned.sizes.setdefault(kind, first)
        self._learned.begin = self._clock.monotonic()
        progress = work(size.items)
        took_s = self._clock.monotonic() - self._learned.begin
        if self._observe is not None:
            self._observe(took_s)
        if isinstance(progress, int):
            progress = Progress(progress, is_full=progress >= size.items)
        size.learn(took_s, self._target_s, self._largest, is_full=progress.is_full)
        self._rest_after(took_s)
        return progress.done

    def read(self, work: Callable[[], T]) -> T:
        """Do work that locks no rows, and rest; return its outcome."""
        begin = self._clock.monotonic()
        found = work()
        self._rest_after(self._clock.monotonic() - begin)
        return found

    def batches(
        self, kind: str, items: Sequence[T], work: Callable[[Sequence[T], int], int | Progress]
    ) -> Iterator[int]:
        """Do work with all items, batch by batch; yield after each batch how many items are done.

        Args:
            kind: The kind of the work.
            items: The items.
            work: Is given the items of a batch and the size of it, and returns how many of them are done;
                the others are in the next batch again.
        """
        first = 0
        while first < len(items):
            done = self.step(kind, lambda size, first=first: work(items[first : first + size], size))  # type: ignore[misc]
            first += done
            yield done

    def _rest_after(self, took_s: float) -> None:
        self._rest(min(took_s * (1.0 / self._share - 1.0), _LONGEST_REST_S))


@dataclass(slots=True)
class _BatchSize:
    """The size of the next batch of a kind, and the time of the quickest one of late."""

    items: int
    quickest_s: float

    def learn(self, took_s: float, target_s: float, largest: int, *, is_full: bool) -> None:
        """Adapt the size to the time that a batch of it took."""
        self.quickest_s = min(self.quickest_s * _FORGETTING, took_s)
        allowed_s = min(self.quickest_s + target_s, LONGEST_S)
        quick_s = min(self.quickest_s + target_s / 2, LONGEST_S / 2)
        if took_s > allowed_s:
            fitting = int(self.items * allowed_s / took_s)
            self.items = max(min(self.items // _SHRINK, fitting), 1)
        elif is_full and took_s < quick_s:
            self.items = min(self.items + max(self.items // _GROWTH, 1), largest)


@dataclass(slots=True)
class _Learned:
    """The sizes of batches by their kinds, and the begin of the present one."""

    sizes: dict[str, _BatchSize] = field(default_factory=dict)
    begin: float = 0.0
