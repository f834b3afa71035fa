"""The pace of background work that shares the database with callers."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import TypeVar

from application.ports.clock import Clock

T = TypeVar("T")
S = TypeVar("S")

# A transaction should hold its locks for less than 50 ms: the time for its rows plus the fixed time of any
# transaction.
TARGET_S = 0.02
LONGEST_S = 0.045
# After a slow batch the next one is at most half as large; after a quick one it is a quarter larger.
_SHRINK, _GROWTH = 2, 4
# The time of the quickest step grows by this factor with each step, because it may have been long ago.
_FORGETTING = 1.05
_SHARE = 0.1
# The share of time for urgent work. SQLite lets other writers in only between two transactions.
SOON = 0.5
FIRST, LARGEST = 10, 500
# The maximum length of a single pause, even after a long step.
_LONGEST_REST_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """The outcome of a batch, which may have been full without finishing all of its items.

    Attributes:
        done: How many items are finished.
        is_full: Whether it did as much work as a batch of its size should.
    """

    done: int
    is_full: bool


class Pace:
    """Adapts the sizes of batches to the time that they take, and rests after each.

    * After a batch that took longer than the target, the next one of its kind is at most half as large; after
      a quick full batch it is a quarter larger. The fixed time of a transaction (the time of the quickest
      recent step) does not count, as long as the total is short enough.
    * The time of a batch is that of its transaction, measured from the start of the `timed` work: before that
      it may wait for other writers, and holds no locks.
    * Work takes only a share of the total time.

    Not safe to use from several threads at once.

    Args:
        clock: The clock.
        rest: Waits; by default the clock's `sleep`.
        share: The share of the total time that is spent working.
        target_s: The target time of a batch, in seconds.
        largest: The maximum size of a batch.
        observe: Called with the time that each batch took, in seconds.
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
        """Begin a pass: reset sizes that have become small, because the cause may be over."""
        for size in self._learned.sizes.values():
            size.items = max(size.items, min(FIRST, self._largest))

    def hurried(self) -> "Pace":
        """Return a pace with the same batch sizes, which rests only for as long as it works."""
        pace = copy(self)
        pace._share = SOON  # noqa: SLF001 - an attribute of the same class
        return pace

    def timed(self, work: Callable[[S], T]) -> Callable[[S], T]:
        """Return the work of a transaction, wrapped to start the timing of the current batch."""

        def begun(transaction: S) -> T:
            self._learned.begin = self._clock.monotonic()
            return work(transaction)

        return begun

    def step(self, kind: str, work: Callable[[int], int | Progress]) -> int:
        """Do one batch of a kind of work, and rest; return how much was done.

        Args:
            kind: The kind; each kind has its own batch size.
            work: Gets the size of the batch, and returns how much of it was done; the batch is full if all
                was.
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
        """Do work that locks no rows, and rest; return its result."""
        begin = self._clock.monotonic()
        found = work()
        self._rest_after(self._clock.monotonic() - begin)
        return found

    def batches(
        self, kind: str, items: Sequence[T], work: Callable[[Sequence[T], int], int | Progress]
    ) -> Iterator[int]:
        """Process all items batch by batch; yield after each batch how many items it finished.

        Args:
            kind: The kind of the work.
            items: The items.
            work: Gets the items of a batch and the batch size, and returns how many of them are finished; the
                others are in the next batch again.
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
    """The size of the next batch of a kind, and the time of the quickest recent one."""

    items: int
    quickest_s: float

    def learn(self, took_s: float, target_s: float, largest: int, *, is_full: bool) -> None:
        """Adapt the size to the time that a batch of this size took."""
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
    """The batch sizes by kind, and the start time of the current batch."""

    sizes: dict[str, _BatchSize] = field(default_factory=dict)
    begin: float = 0.0
