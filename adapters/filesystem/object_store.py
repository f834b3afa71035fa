"""Object store in a directory."""

import io
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO
from urllib.parse import quote

from adapters.filesystem.errors import storage_errors
from adapters.filesystem.names import MADE, OBJECT_DRAFTS, key_of_names, names_on_disk, spread_names
from adapters.filesystem.tree import Tree
from application.errors import NotFound, StorageUnavailable, Unprocessable
from application.ports.object_store import ObjectStore, StoredObject
from domain.values import ObjectKey

# The name prefix of an empty marker directory, which backups omit.
_SPREAD_SINCE = f"{MADE}spread-"
_UPGRADE_S = 86_400
# Fewer objects than this are written one by one, because syncing the whole file system is not worth it.
_MANY = 16


class FilesystemObjectStore(ObjectStore):
    """Stores objects as files in a directory, which several processes may share.

    Files are spread over 4,096 directories for each prefix of keys. Files of earlier versions, which are not
    spread, are found too. Only regular files are objects, not links, FIFOs or devices. Unlike in S3, a key
    cannot be a parent path of another key: `a` and `a/b` exclude each other.

    Args:
        directory: The directory of the objects, created if missing.
        base_url: The address of this service, used for the addresses of objects unless `link` is given.
        link: Returns the address of an object as a signed link.
        durable: Whether an object survives a power failure as soon as it is stored. This waits for the disk
            twice, half a millisecond on a solid-state drive. Otherwise, a power failure may lose the objects
            of the preceding seconds.

    Raises:
        StorageUnavailable: The directory cannot be created or written to.
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
            self._spread_since = _spread_since(directory, time.time())

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:  # noqa: ARG002  (the type matters to HTTP stores only)
        """Store an object atomically."""
        with storage_errors(f"storing object '{key}'"):
            self._tree.write(self._new_names(key), _stream(content))

    def put_all(self, objects: Mapping[ObjectKey, bytes], content_type: str) -> None:
        """Store objects. Large numbers wait for the disk together, which is faster than one by one."""
        if len(objects) < _MANY:
            for key, content in objects.items():
                self.put(key, content, content_type)
            return
        with storage_errors(f"storing {len(objects)} objects"):
            self._tree.write_all({tuple(self._new_names(key)): content for key, content in objects.items()})

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        with storage_errors(f"reading object '{key}'"):
            content = self._tree.read(spread_names(key), max_bytes)
            if content is None:
                content = self._tree.read(names_on_disk(key), max_bytes)
        if content is None:
            raise NotFound("object", key)
        if len(content) > max_bytes:
            raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
        return content

    def copy(self, source: ObjectKey, target: ObjectKey, content_type: str, max_bytes: int) -> None:
        """Hard-link the object's file if the file system supports it; otherwise copy its content."""
        with storage_errors(f"copying object '{source}'"):
            names = self._new_names(target)
            if any(self._tree.link(each(source), names) for each in (spread_names, names_on_disk)):
                return
        super().copy(source, target, content_type, max_bytes)

    def delete(self, key: ObjectKey) -> None:
        """Remove an object, if it exists."""
        with storage_errors(f"removing object '{key}'"):
            self._tree.remove(spread_names(key))
            self._tree.remove(names_on_disk(key))

    def stored_before(self, before: datetime) -> Iterator[StoredObject]:
        """Yield the objects whose files were last created or linked before a time."""
        with storage_errors("listing the object store"):
            for names, status in self._tree.files():
                key = key_of_names(names)
                if key is not None and status.st_ctime < before.timestamp():
                    yield StoredObject(key, status.st_size)

    def url(self, key: ObjectKey) -> str:
        """Return the address of the object in this service's own API."""
        if self._link is not None:
            return self._link(key)
        return f"{self._base_url}/api/log?log_key={quote(key.value, safe='')}"

    def check(self) -> None:
        """Check that the directory exists, is writable, and has room."""
        with storage_errors("checking the object store"):
            space = os.statvfs(self._directory)
            is_writable = os.access(self._directory, os.W_OK | os.X_OK, effective_ids=True)
        if not is_writable:
            raise StorageUnavailable("permission denied in its directory")
        if not space.f_bavail or (space.f_files and not space.f_favail):  # some systems do not count files
            raise StorageUnavailable("the disk is full")

    def _new_names(self, key: ObjectKey) -> Sequence[str]:
        return spread_names(key) if time.time() >= self._spread_since else names_on_disk(key)


def _spread_since(directory: Path, now: float) -> float:
    """Return the time from which new objects are spread over directories, and record it in the store.

    A new store spreads objects at once. A store created by a version that does not find spread objects begins
    a day after the first start of this version, because until then processes of the previous version may read
    from it.
    """
    noted = [float(mark.name.removeprefix(_SPREAD_SINCE)) for mark in directory.glob(f"{_SPREAD_SINCE}*")]
    if noted:
        return min(noted)
    with os.scandir(directory) as entries:
        is_new = all(entry.name == OBJECT_DRAFTS for entry in entries)
    since = 0 if is_new else int(now + _UPGRADE_S)
    (directory / f"{_SPREAD_SINCE}{since}").mkdir(mode=0o700, exist_ok=True)
    return since


def _stream(content: bytes | IO[bytes]) -> IO[bytes]:
    return io.BytesIO(content) if isinstance(content, bytes) else content
