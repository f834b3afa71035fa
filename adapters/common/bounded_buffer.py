"""A bounded buffer of output, from which the oldest gives way."""

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

# Memory that an item takes beside its data, so that a flood of single bytes is bounded too.
ITEM_OVERHEAD_BYTES = 256


class BoundedBuffer(Generic[T]):
    """The latest items of a flow of output; the oldest give way. Its user locks it.

    Attributes:
        weight: The memory that it takes, in bytes, roughly.
        appended: The number of items that were ever appended.

    Args:
        max_bytes: The most that it may weigh.
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
        """Whether an item with `size` bytes of data can be added without dropping others."""
        return self.weight + size + ITEM_OVERHEAD_BYTES <= self._max_bytes

    def append(self, item: T, size: int) -> None:
        """Add an item with `size` bytes of data; drop the oldest ones that it leaves no room for."""
        weight = size + ITEM_OVERHEAD_BYTES
        self._items.append((item, weight))
        self.weight += weight
        self.appended += 1
        while self.weight > self._max_bytes:
            self._pop()

    def take(self, enough_bytes: int) -> list[T]:
        """Remove and return the oldest items, until they weigh `enough_bytes` or none is left."""
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
