from contextlib import closing
from typing import IO, TYPE_CHECKING, cast

from boto3.s3.transfer import TransferConfig

from adapters.s3.errors import storage_errors
from adapters.s3.streams import Rejoined, read_head
from adapters.s3.urls import Urls
from application.errors import StorageUnavailable, Unprocessable
from application.ports.object_store import ObjectStore
from domain.values import ObjectKey

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PART_BYTES = 8 << 20
# Parts are sent one after the other, on the caller's thread: memory holds one part for each stream.
_IN_PARTS = TransferConfig(
    multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False
)


class S3ObjectStore(ObjectStore):
    """Objects in one bucket.

    The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the
    objects and s3:ListBucket on the bucket; without the last one, S3 calls a missing object forbidden.

    Args:
        client: What `adapters.s3.client.build_client` returns.
        bucket: The bucket's name.
        urls: Gives the addresses of objects.
    """

    def __init__(self, client: "S3Client", bucket: str, urls: Urls) -> None:
        self._client = client
        self._bucket = bucket
        self._urls = urls

    def put(self, key: ObjectKey, content: bytes | IO[bytes], content_type: str) -> None:
        """Store an object. S3 shows it when it is complete; a large stream is sent in parts until then."""
        head = content if isinstance(content, bytes) else read_head(content, _PART_BYTES)
        with storage_errors(f"storing object '{key}'"):
            if isinstance(content, bytes) or len(head) < _PART_BYTES:
                self._client.put_object(
                    Bucket=self._bucket, Key=key.value, Body=head, ContentType=content_type
                )
            else:
                self._client.upload_fileobj(
                    cast("IO[bytes]", Rejoined(head, content)),  # boto3 asks for no more than `read`
                    self._bucket,
                    key.value,
                    ExtraArgs={"ContentType": content_type},
                    Config=_IN_PARTS,
                )

    def get(self, key: ObjectKey, max_bytes: int) -> bytes:
        """Return an object's content."""
        with storage_errors(f"reading object '{key}'", key):
            answer = self._client.get_object(Bucket=self._bucket, Key=key.value)
            size = answer.get("ContentLength", 0)
            with closing(answer["Body"]) as body:
                content = body.read(max_bytes + 1) if size <= max_bytes else b""
        if max(size, len(content)) > max_bytes:
            raise Unprocessable("key", f"object '{key}' is larger than {max_bytes} bytes")
        if len(content) < size:
            raise StorageUnavailable("its answer broke off")
        return content

    def delete(self, key: ObjectKey) -> None:
        """Remove an object; one that does not exist is no error."""
        with storage_errors(f"removing object '{key}'"):
            self._client.delete_object(Bucket=self._bucket, Key=key.value)

    def url(self, key: ObjectKey) -> str:
        """Return where a client may fetch the object."""
        with storage_errors(f"signing the address of object '{key}'"):
            return self._urls(key.value)

    def check(self) -> None:
        """Ask whether the bucket is there."""
        with storage_errors("checking the object store"):
            self._client.head_bucket(Bucket=self._bucket)
