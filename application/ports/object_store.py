"""The port to stored objects: code and logs."""

from abc import ABC, abstractmethod
from typing import IO

from domain.values import ObjectKey


class ObjectStore(ABC):
    """Objects by key: one bucket, or one directory.

    Every method raises StorageUnavailable when the store is out of reach, full, or refuses.
    """

    @abstractmethod
    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object, whole or not at all; one that has the key already is replaced.

        A stream is read from where it stands to its end, in pieces.
        """

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
    def url(self, key: ObjectKey) -> str:
        """Return where a client may fetch the object. The object need not exist."""

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether the store answers."""
