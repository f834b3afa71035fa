"""The port to stored objects, such as code and logs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TypeVar

from domain.values import ObjectKey

T = TypeVar("T")

# A bucket takes some ten milliseconds per call, and serves many calls at once.
_CALLS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a store, and its size in bytes."""

    key: ObjectKey
    size: int


class ObjectStore(ABC):
    """Objects by key, in a bucket or a directory.

    Every method raises StorageUnavailable if the store is unavailable or full, or refuses the call.
    """

    @abstractmethod
    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object atomically, replacing any object with the same key.

        A stream is read in pieces, from its current position to its end.
        """

    def put_all(self, objects: Mapping[ObjectKey, bytes], content_type: str) -> None:
        """Store objects, each as `put` does. After an error, some of them may be stored.

        Until this returns, an object with a new key may be stored partially, so none may be read before.
        """
        _at_once(lambda one: self.put(one[0], one[1], content_type), objects.items())

    def delete_all(self, keys: Collection[ObjectKey]) -> None:
        """Delete objects, each as `delete` does. After an error, some of them may remain."""
        _at_once(self.delete, keys)

    def copy(self, source: ObjectKey, target: ObjectKey, content_type: str, max_bytes: int) -> None:
        """Copy the content of an object to another key; the two objects are then independent.

        Raises:
            NotFound: There is no such object.
            Unprocessable: It is larger than `max_bytes`, and its content has to be read for the copy.
        """
        self.put(target, self.get(source, max_bytes), content_type)

    @abstractmethod
    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content.

        Raises:
            NotFound: There is no such object.
            Unprocessable: It is larger than `max_bytes`.
        """

    @abstractmethod
    def delete(self, key: ObjectKey) -> None:
        """Delete an object, if it exists."""

    @abstractmethod
    def stored_before(self, before: datetime) -> Iterator[StoredObject]:
        """Yield the objects that were stored before a time, in any order, reading the store lazily.

        Objects stored or deleted meanwhile may or may not be included.
        """

    @abstractmethod
    def url(self, key: ObjectKey) -> str:
        """Return a URL from which a client may fetch the object. The object need not exist."""

    @abstractmethod
    def check(self) -> None:
        """Check cheaply whether the store responds."""


def _at_once(call: Callable[[T], None], arguments: Collection[T]) -> None:
    """Call a function with each argument, several in parallel; raise its first error."""
    with ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="object-store") as threads:
        for _ in threads.map(call, arguments):
            pass
