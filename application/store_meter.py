"""The metrics and the spans of an object store."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from time import perf_counter
from typing import IO, TypeVar

from application.errors import StorageUnavailable
from application.metrics import STORAGE_DURATION, STORAGE_ERRORS
from application.ports.measurements import Measurements
from application.ports.object_store import ObjectStore, StoredObject
from application.ports.tracing import SpanKind, Tracing
from domain.values import ObjectKey

T = TypeVar("T")


class StoreMeter(ObjectStore):
    """Times and traces the calls of an object store, and counts failures. A missing object is no failure.

    Args:
        store: The store.
        name: Its name in the metrics and spans.
    """

    def __init__(self, store: ObjectStore, name: str, measurements: Measurements, tracing: Tracing) -> None:
        self._store = store
        self._name = name
        self._measurements = measurements
        self._tracing = tracing

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object."""
        self._timed("put", lambda: self._store.put(key, content, content_type))

    def put_all(self, objects: Mapping[ObjectKey, bytes], content_type: str) -> None:
        """Store objects; they count as one call."""
        self._timed("put", lambda: self._store.put_all(objects, content_type))

    def delete_all(self, keys: Collection[ObjectKey]) -> None:
        """Remove objects; they count as one call."""
        self._timed("delete", lambda: self._store.delete_all(keys))

    def copy(self, source: ObjectKey, target: ObjectKey, content_type: str, max_bytes: int) -> None:
        """Store the content of an object under another key too."""
        self._timed("copy", lambda: self._store.copy(source, target, content_type, max_bytes))

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        return self._timed("get", lambda: self._store.get(key, max_bytes))

    def delete(self, key: ObjectKey) -> None:
        """Remove an object."""
        self._timed("delete", lambda: self._store.delete(key))

    def stored_before(self, before: datetime) -> Iterator[StoredObject]:
        """Yield the objects stored before a time; not timed, or the caller's work in between would count."""
        return self._store.stored_before(before)

    def url(self, key: ObjectKey) -> str:
        """Return where a client may fetch the object."""
        return self._store.url(key)

    def check(self) -> None:
        """Check that the store responds; not timed, because health has its own metric."""
        self._store.check()

    def _timed(self, operation: str, call: Callable[[], T]) -> T:
        begin = perf_counter()
        attributes = {"service_server.store": self._name}
        try:
            with self._tracing.span(f"{operation} {self._name} store", attributes, kind=SpanKind.CLIENT):
                return call()
        except StorageUnavailable:
            self._measurements.count(STORAGE_ERRORS, self._name, operation)
            raise
        finally:
            self._measurements.observe(STORAGE_DURATION, perf_counter() - begin, self._name, operation)
