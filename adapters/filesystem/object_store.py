"""The object store in a directory."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

from adapters.filesystem.errors import storage_errors
from adapters.filesystem.names import OBJECT_DRAFTS, names_on_disk
from adapters.filesystem.tree import Tree
from application.errors import NotFound, StorageUnavailable, Unprocessable
from application.ports.object_store import ObjectStore
from domain.values import ObjectKey

# Fewer objects than this are written one by one: for them alone, not all of the file system has to be synced.
_MANY = 16


class FilesystemObjectStore(ObjectStore):
    """Objects as files in a directory, which several processes may share.

    An object is a regular file; a link, a FIFO or a device in its place is none. Unlike in S3, a key cannot
    be the beginning of another one's path: `a` and `a/b` exclude each other.

    Args:
        directory: The directory of the objects. It is made if it is missing.
        base_url: The address of this service; an object's address is in it, unless `link` is given.
        link: Returns the address of an object, as a signed link.
        durable: Whether an object survives a power failure as soon as it is stored. This waits for the disk
            twice, half a millisecond on a solid-state drive; without it, a power failure may lose the objects
            of the seconds before.

    Raises:
        StorageUnavailable: The directory cannot be made or written to.
    """

    def __init__(
        self,
        directory: Path,
        base_url: str,
        *,
        link: Callable[[ObjectKey], str] | None = None,
        durable: bool = True,
    ) -> None:
        self._directory = directory
        self._link = link
        self._base_url = base_url.rstrip("/")
        self._tree = Tree(directory, incoming=OBJECT_DRAFTS, durable=durable)
        with storage_errors("opening the object store"):
            self._tree.prepare()

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:  # noqa: ARG002  (the type matters to HTTP stores only)
        """Store an object, whole or not at all."""
        with storage_errors(f"storing object '{key}'"):
            self._tree.write(names_on_disk(key), _stream(content))

    def put_all(self, objects: Mapping[ObjectKey, bytes], content_type: str) -> None:
        """Store objects. Very many wait for the disk together, which is quicker than each by itself."""
        if len(objects) < _MANY:
            for key, content in objects.items():
                self.put(key, content, content_type)
            return
        with storage_errors(f"storing {len(objects)} objects"):
            self._tree.write_all({tuple(names_on_disk(key)): content for key, content in objects.items()})

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        with storage_errors(f"reading object '{key}'"):
            content = self._tree.read(names_on_disk(key), max_bytes)
        if content is None:
            raise NotFound("object", key)
        if len(content) > max_bytes:
            raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
        return content

    def copy(self, source: ObjectKey, target: ObjectKey, content_type: str, max_bytes: int) -> None:
        """Give an object's file another name, where the file system can; else copy its content."""
        with storage_errors(f"copying object '{source}'"):
            if self._tree.link(names_on_disk(source), names_on_disk(target)):
                return
        super().copy(source, target, content_type, max_bytes)

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; one that does not exist is no error."""
        with storage_errors(f"removing object '{key}'"):
            self._tree.remove(names_on_disk(key))

    def url(self, key: ObjectKey) -> str:
        """Return the address of the object in this service's own API."""
        if self._link is not None:
            return self._link(key)
        return f"{self._base_url}/api/log?log_key={quote(key.value, safe='')}"

    def check(self) -> None:
        """Check that the directory is there, is writable, and has room."""
        with storage_errors("checking the object store"):
            space = os.statvfs(self._directory)
            is_writable = os.access(self._directory, os.W_OK | os.X_OK, effective_ids=True)
        if not is_writable:
            raise StorageUnavailable("its directory does not permit it")
        if not space.f_bavail or (space.f_files and not space.f_favail):  # some systems count no files
            raise StorageUnavailable("the disk is full")


def _stream(content: bytes | IO[bytes]) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content
