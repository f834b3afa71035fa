from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from itertools import chain
from typing import IO, TYPE_CHECKING

from botocore.exceptions import ClientError

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.s3.errors import says_taken, storage_errors
from adapters.s3.multipart import Condition, upload_in_parts
from adapters.s3.shortcut import Shortcut
from adapters.s3.streams import in_parts
from adapters.s3.urls import Urls
from application.errors import StorageUnavailable, Unprocessable
from application.ports.object_store import ObjectStore
from domain.values import ObjectKey

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PART_BYTES = 8 << 20
_ALWAYS: Condition = {}
_IF_NEW: Condition = {"IfNoneMatch": "*"}


class S3ObjectStore(ObjectStore):
    """Objects in one bucket.

    The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the
    objects and s3:ListBucket on the bucket; without the last one, S3 calls a missing object forbidden.

    Args:
        client: What `adapters.s3.client.build_client` returns.
        shortcut: What does in less time the part of it that it can.
        bucket: The bucket's name.
        urls: Gives the addresses of objects.
        circuit: What calls pass through, so that after S3 did not answer not every caller waits in vain; None
            where each is to wait by itself.
    """

    def __init__(
        self,
        client: "S3Client",
        shortcut: Shortcut,
        bucket: str,
        urls: Urls,
        circuit: CircuitBreaker | None = None,
    ) -> None:
        self._client = client
        self._shortcut = shortcut
        self._bucket = bucket
        self._urls = urls
        self._circuit = circuit

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object. S3 shows it when it is complete; a large stream is sent in parts until then."""
        with self._calling(f"storing object '{key}'"):
            self._send(key, content, content_type, _ALWAYS)

    def add(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> bool:
        """Store an object if none has the key, which S3 itself sees to."""
        with self._calling(f"adding object '{key}'"):
            try:
                self._send(key, content, content_type, _IF_NEW)
            except ClientError as error:
                if not says_taken(error):
                    raise
                return False
        return True

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        with self._calling(f"reading object '{key}'", key):
            content = self._shortcut.get(key.value, max_bytes)
            return self._get(key, max_bytes) if content is None else content

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; one that does not exist is no error."""
        with self._calling(f"removing object '{key}'"):
            self._client.delete_object(Bucket=self._bucket, Key=key.value)

    def url(self, key: ObjectKey) -> str:
        """Return where a client may fetch the object."""
        with storage_errors(f"signing the address of object '{key}'"):
            return self._urls(key.value)

    def check(self) -> None:
        """Ask whether the bucket is there."""
        with self._calling("checking the object store"):
            self._client.head_bucket(Bucket=self._bucket)

    def _get(self, key: ObjectKey, max_bytes: int) -> bytes:
        answer = self._client.get_object(Bucket=self._bucket, Key=key.value)
        size = answer.get("ContentLength", 0)
        with closing(answer["Body"]) as body:
            content = body.read(max_bytes + 1) if size <= max_bytes else b""
        if max(size, len(content)) > max_bytes:
            raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
        if len(content) < size:
            raise StorageUnavailable("its answer broke off")
        return content

    def _send(
        self, key: ObjectKey, content: bytes | IO[bytes], content_type: str, condition: Condition
    ) -> None:
        parts = iter((content,)) if isinstance(content, bytes) else in_parts(content, _PART_BYTES)
        first = next(parts, b"")
        if isinstance(content, bytes) or len(first) < _PART_BYTES:
            if not self._shortcut.put(key.value, first, content_type, is_new=bool(condition)):
                self._client.put_object(
                    Bucket=self._bucket, Key=key.value, Body=first, ContentType=content_type, **condition
                )
        else:
            whole = chain((first,), parts)
            upload_in_parts(self._client, self._bucket, key.value, whole, content_type, condition)

    @contextmanager
    def _calling(self, action: str, key: ObjectKey | None = None) -> Iterator[None]:
        with self._circuit.call() if self._circuit else nullcontext(), storage_errors(action, key):
            yield
