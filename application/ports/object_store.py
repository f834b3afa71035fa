"""The port to stored objects: code and logs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TypeVar

from domain.values import ObjectKey

T = TypeVar("T")

# A bucket takes some ten milliseconds for a call, and serves many at once.
_CALLS_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a store, and its size in bytes."""

    key: ObjectKey
    size: int


class ObjectStore(ABC):
    """Objects by key: one bucket, or one directory.

    Every method raises StorageUnavailable when the store is out of reach, full, or refuses.
    """

    @abstractmethod
    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object, whole or not at all; one that has the key already is replaced.

        A stream is read from where it stands to its end, in pieces.
        """

    def put_all(self, objects: Mapping[ObjectKey, bytes], content_type: str) -> None:
        """Store objects, each as `put` does. After an error, some of them may be stored.

        Until this returns, one under a new key may be there in part: none of them is to be read before.
        """
        _at_once(lambda one: self.put(one[0], one[1], content_type), objects.items())

    def delete_all(self, keys: Collection[ObjectKey]) -> None:
        """Remove objects, each as `delete` does. After an error, some of them may be left."""
        _at_once(self.delete, keys)

    def copy(self, source: ObjectKey, target: ObjectKey, content_type: str, max_bytes: int) -> None:
        """Store the content of an object under another key too; neither object needs the other then.

        Raises:
            NotFound: There is no such object.
            Unprocessable: It is larger than `max_bytes`, where its content has to be read for that.
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
        """Remove an object; one that does not exist is no error."""

    @abstractmethod
    def stored_before(self, before: datetime) -> Iterator[StoredObject]:
        """Yield the objects that were stored before a time, in any order, as they are read from the store.

        One that is stored or removed meanwhile may be among them or not.
        """

    @abstractmethod
    def url(self, key: ObjectKey) -> str:
        """Return where a client may fetch the object. The object need not exist."""

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether the store answers."""


def _at_once(call: Callable[[T], None], arguments: Collection[T]) -> None:
    """Call a function with each argument, several at once; raise its first error."""
    with ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="object-store") as threads:
        for _ in threads.map(call, arguments):
            pass
