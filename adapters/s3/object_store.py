"""Object store in a bucket."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from itertools import chain
from typing import IO, TYPE_CHECKING, TypeVar
from urllib.parse import quote

import obstore
from botocore.parsers import ResponseParserError
from obstore.exceptions import GenericError
from obstore.store import S3Store

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.s3.bucket import Bucket
from adapters.s3.errors import is_of_another_region, storage_errors
from application.errors import StorageUnavailable, Unprocessable
from application.ports.object_store import ObjectStore, StoredObject
from domain.values import ObjectKey, parse_object_key

if TYPE_CHECKING:
    from obstore import GetResult
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

T = TypeVar("T")

# The smallest part size that S3 accepts, because a part must be sent within the timeout for an answer.
_PART_BYTES = 5 << 20
_PIECE_BYTES = 64 << 10
# A prefix that no key of the service has.
_NO_PREFIX = ".check"


class S3ObjectStore(ObjectStore):
    """Stores objects in a bucket.

    The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the
    objects, and s3:ListBucket on the bucket. Without s3:ListBucket, S3 answers 403 for missing objects.

    Args:
        bucket: The bucket, with its credentials.
        url_expiry_s: Seconds for which the signed address of an object is valid, if the credentials are valid
            for as long; None for plain addresses of public objects.
        circuit: The circuit breaker for all calls, so that callers do not wait in vain while S3 does not
            answer; None for no circuit breaker.
    """

    def __init__(
        self, bucket: Bucket, url_expiry_s: int | None = None, circuit: CircuitBreaker | None = None
    ) -> None:
        self._bucket = bucket
        self._url_expiry = None if url_expiry_s is None else timedelta(seconds=url_expiry_s)
        self._circuit = circuit

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object atomically; a large stream is uploaded in parts."""
        stream = io.BytesIO(content) if isinstance(content, bytes) else content
        parts = iter(partial(stream.read, _PART_BYTES), b"")
        first, second = next(parts, b""), next(parts, b"")

        def put(store: S3Store) -> None:
            obstore.put(
                store,
                key.value,
                chain((first, second), parts) if second else first,
                attributes={"Content-Type": content_type},
                use_multipart=bool(second),
                chunk_size=_PART_BYTES,
                max_concurrency=1,
            )

        self._call(f"storing object '{key}'", put)

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""

        def get(store: S3Store) -> bytes:
            found = obstore.get(store, key.value)
            size = found.meta["size"]
            if size > max_bytes:
                raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
            return _read(found, size)

        return self._call(f"reading object '{key}'", get, key)

    def copy(self, source: ObjectKey, target: ObjectKey, content_type: str, max_bytes: int) -> None:  # noqa: ARG002  (the copy has the type of its source)
        """Copy an object within S3."""
        self._call(
            f"copying object '{source}'",
            lambda store: obstore.copy(store, source.value, target.value),
            source,
        )

    def delete(self, key: ObjectKey) -> None:
        """Remove an object, if it exists."""
        self._call(f"removing object '{key}'", lambda store: obstore.delete(store, key.value))

    def stored_before(self, before: datetime) -> Iterator[StoredObject]:
        """Yield the objects last modified before a time, listed a thousand at a time."""
        pages = self._bucket.pages()
        action = "listing the object store"
        while (found := self._call(action, lambda _: _next_page(pages, before))) is not None:
            yield from found

    def url(self, key: ObjectKey) -> str:
        """Return the address at which a client can fetch the object."""
        if self._url_expiry is None:
            return f"https://{self._bucket.name}.s3.{self._bucket.region}.amazonaws.com/{quote(key.value)}"
        with storage_errors(f"signing the address of object '{key}'"):
            return obstore.sign(self._bucket.store(), "GET", key.value, self._url_expiry)

    def check(self) -> None:
        """Check that the bucket exists, by listing a prefix that no object has."""
        self._call("checking the object store", lambda store: obstore.list_with_delimiter(store, _NO_PREFIX))

    def _call(self, action: str, request: Callable[[S3Store], T], key: ObjectKey | None = None) -> T:
        with self._circuit.call() if self._circuit else nullcontext(), storage_errors(action, key):
            try:
                return request(self._bucket.store())
            except GenericError as error:
                if not (is_of_another_region(error) and self._bucket.find_region(error)):
                    raise
                return request(self._bucket.store())


def _next_page(
    pages: "Iterator[ListObjectsV2OutputTypeDef]", before: datetime
) -> Sequence[StoredObject] | None:
    """Return the next page's objects last modified before a time; None after the last page.

    Raises:
        ResponseParserError: A part of the page is missing or cannot be read.
    """
    try:
        page = next(pages, None)
        if page is None:
            return None
        return [
            StoredObject(key, found["Size"])
            for found in page.get("Contents", ())
            if (key := parse_object_key(found["Key"])) is not None and found["LastModified"] < before
        ]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:  # RuntimeError: seconds beyond any date
        raise ResponseParserError(f"a page of the listing cannot be read: {error!r}") from error


def _read(found: "GetResult", size: int) -> bytes:
    """Read an answer, and check its length against the announced one."""
    content = bytearray()
    for piece in found.stream(min_chunk_size=_PIECE_BYTES):
        content += piece
        if len(content) > size:
            break
    if len(content) != size:
        raise StorageUnavailable("its response was incomplete")
    return bytes(content)
