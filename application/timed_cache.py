"""Bounded caches whose entries are good for a fixed time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """A value, and the time that it is of, in seconds of a monotonic clock."""

    value: V
    at: float


class TimedCache(Generic[K, V]):
    """The values that were kept last. Safe to use from several threads.

    Args:
        kept_s: Seconds for which a value is fresh.
        capacity: Values at once; a further one takes the place of the one that was kept first.
        clock: A monotonic clock.
    """

    def __init__(self, kept_s: float, capacity: int, clock: Callable[[], float]) -> None:
        self._kept_s = kept_s
        self._capacity = capacity
        self._clock = clock
        self._entries: OrderedDict[K, Kept[V]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def fresh(self, key: K) -> Kept[V] | None:
        """Return the entry of a key, if there is one that is fresh."""
        kept = self._entries.get(key)
        return kept if kept is not None and self._clock() - kept.at < self._kept_s else None

    def latest(self, key: K) -> Kept[V] | None:
        """Return the entry of a key, if there is one, fresh or not."""
        return self._entries.get(key)

    def keep(self, key: K, value: V, at: float) -> None:
        """Keep a value that is of a time, by this cache's clock."""
        with self._lock:
            self._entries[key] = Kept(value, at)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def discard(self, key: K) -> None:
        """Remove the entry of a key, if there is one."""
        with self._lock:
            self._entries.pop(key, None)


class LookupCache(Generic[K, V]):
    """Results of lookups by keys that callers bring. Things that were not found have entries of their own.

    So guesses, however many, take the place of no thing that was found.
    """

    def __init__(self, kept_s: float, capacity: int, clock: Callable[[], float]) -> None:
        self._found = TimedCache[K, V | None](kept_s, capacity, clock)
        self._missed = TimedCache[K, V | None](kept_s, capacity, clock)

    def fresh(self, key: K) -> Kept[V | None] | None:
        """Return the result for a key, if there is one that is fresh."""
        return self._found.fresh(key) or self._missed.fresh(key)

    def latest(self, key: K) -> V | None:
        """Return the thing that was found last, fresh or not, unless it was missed since."""
        kept = self._found.latest(key)
        return None if kept is None else kept.value

    def keep(self, key: K, value: V | None, at: float) -> None:
        """Keep a result that is of a time, by this cache's clock."""
        if value is None:
            keep, discard = self._missed, self._found
        else:
            keep, discard = self._found, self._missed
        keep.keep(key, value, at)
        discard.discard(key)

    def discard(self, key: K) -> None:
        """Remove the result for a key, if there is one."""
        self._found.discard(key)
        self._missed.discard(key)
