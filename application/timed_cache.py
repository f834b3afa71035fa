"""Bounded caches whose entries are valid for a fixed time."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """A value, and the time at which it was valid, in seconds of a monotonic clock."""

    value: V
    at: float


class TimedCache(Generic[K, V]):
    """A cache of recently stored values. Safe to use from several threads.

    Args:
        kept_s: Seconds for which a value is fresh.
        capacity: The maximum number of values; when it is exceeded, the oldest is evicted.
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
        """Return the entry of a key if it is fresh, else None."""
        kept = self._entries.get(key)
        return kept if kept is not None and self._clock() - kept.at < self._kept_s else None

    def latest(self, key: K) -> Kept[V] | None:
        """Return the entry of a key, fresh or not, or None."""
        return self._entries.get(key)

    def keep(self, key: K, value: V, at: float) -> None:
        """Store a value that was valid at a time of this cache's clock."""
        with self._lock:
            self._entries[key] = Kept(value, at)
            self._entries.move_to_end(key)
            if len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def discard(self, key: K) -> None:
        """Remove the entry of a key, if any."""
        with self._lock:
            self._entries.pop(key, None)


class LookupCache(Generic[K, V]):
    """A cache of lookups by keys that callers send. Failed lookups are cached separately.

    Guessed keys therefore never evict a found value.
    """

    def __init__(self, kept_s: float, capacity: int, clock: Callable[[], float]) -> None:
        self._found = TimedCache[K, V | None](kept_s, capacity, clock)
        self._missed = TimedCache[K, V | None](kept_s, capacity, clock)

    def fresh(self, key: K) -> Kept[V | None] | None:
        """Return the result for a key if it is fresh, else None."""
        return self._found.fresh(key) or self._missed.fresh(key)

    def latest(self, key: K) -> V | None:
        """Return the value last found for a key, fresh or not, unless a later lookup failed."""
        kept = self._found.latest(key)
        return None if kept is None else kept.value

    def keep(self, key: K, value: V | None, at: float) -> None:
        """Store a result that was valid at a time of this cache's clock."""
        if value is None:
            keep, discard = self._missed, self._found
        else:
            keep, discard = self._found, self._missed
        keep.keep(key, value, at)
        discard.discard(key)

    def discard(self, key: K) -> None:
        """Remove the result for a key, if any."""
        self._found.discard(key)
        self._missed.discard(key)
