"""A bounded buffer of output that drops its oldest items."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

# Memory that an item takes in addition to its data. Counting it bounds a flood of single bytes too.
ITEM_OVERHEAD_BYTES = 256


class BoundedBuffer(Generic[T]):
    """The latest items of a stream of output; the oldest are dropped.

    The buffer is not thread-safe.

    Attributes:
        weight: The approximate memory in use, in bytes.
        appended: The total number of items appended so far, including dropped ones.

    Args:
        max_bytes: The maximum weight.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self.weight = 0
        self.appended = 0

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[T]:
        return (item for item, _weight in self._items)

    def has_room(self, size: int) -> bool:
        """Whether an item with `size` bytes of data fits without dropping others."""
        return self.weight + size + ITEM_OVERHEAD_BYTES <= self._max_bytes

    def append(self, item: T, size: int) -> None:
        """Append an item with `size` bytes of data, and drop the oldest items that exceed the limit."""
        weight = size + ITEM_OVERHEAD_BYTES
        self._items.append((item, weight))
        self.weight += weight
        self.appended += 1
        while self.weight > self._max_bytes:
            self._pop()

    def take(self, enough_bytes: int) -> list[T]:
        """Remove and return the oldest items, until they weigh `enough_bytes` or the buffer is empty."""
        taken, rest = [], self.weight - enough_bytes
        while self._items and self.weight > rest:
            taken.append(self._pop())
        return taken

    def clear(self) -> None:
        """Remove all items."""
        self._items.clear()
        self.weight = 0

    def _pop(self) -> T:
        item, weight = self._items.popleft()
        self.weight -= weight
        return item
