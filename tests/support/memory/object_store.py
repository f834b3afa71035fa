from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import IO

from application.errors import NotFound, Unprocessable
from application.ports.object_store import ObjectStore, StoredObject
from domain.values import ObjectKey


class MemoryObjectStore(ObjectStore):
    """Objects in a dictionary. Storing, reading and removing an object are atomic.

    Attributes:
        objects: The contents, by the text of their keys.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.objects: dict[str, bytes] = {}
        self.stored_at: dict[str, datetime] = {}

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:  # noqa: ARG002  (the type matters to HTTP stores only)
        """Store an object, once its content is read completely."""
        self.objects[key.value] = content if isinstance(content, bytes) else content.read()
        self.stored_at[key.value] = self._now()

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        content = self.objects.get(key.value)
        if content is None:
            raise NotFound("object", key)
        if len(content) > max_bytes:
            raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
        return content

    def delete(self, key: ObjectKey) -> None:
        """Delete an object. A missing object is no error."""
        self.objects.pop(key.value, None)
        self.stored_at.pop(key.value, None)

    def stored_before(self, before: datetime) -> Iterator[StoredObject]:
        """Yield the objects stored before a time."""
        for key, content in list(self.objects.items()):
            if self.stored_at.get(key, before) < before:
                yield StoredObject(ObjectKey(key), len(content))

    def url(self, key: ObjectKey) -> str:
        """Return a name for the object, which cannot be fetched from outside the process."""
        return f"memory:{key}"

    def check(self) -> None:
        """Do nothing, because memory is always available."""
