from typing import IO

from application.errors import NotFound, Unprocessable
from application.ports.object_store import ObjectStore
from domain.values import ObjectKey


class MemoryObjectStore(ObjectStore):
    """Objects in a dictionary. Storing, reading and removing one are atomic.

    Attributes:
        objects: Contents by the text of their keys.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:  # noqa: ARG002  (the type matters to HTTP stores only)
        """Store an object, once all of it is read."""
        self.objects[key.value] = content if isinstance(content, bytes) else content.read()

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        content = self.objects.get(key.value)
        if content is None:
            raise NotFound("object", key)
        if len(content) > max_bytes:
            raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
        return content

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; one that does not exist is no error."""
        self.objects.pop(key.value, None)

    def url(self, key: ObjectKey) -> str:
        """Return a name for the object: nothing outside the process can fetch it."""
        return f"memory:{key}"

    def check(self) -> None:
        """Do nothing: memory answers."""
