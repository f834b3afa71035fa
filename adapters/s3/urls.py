from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from adapters.s3.shortcut import Shortcut

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Urls = Callable[[str], str]


class PlainUrls:
    """The addresses that Amazon gives to objects that anyone may read."""

    def __init__(self, bucket: str, region: str) -> None:
        self._base = f"https://{bucket}.s3.{region}.amazonaws.com"

    def __call__(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self._base}/{quote(key)}"


class PresignedUrls:
    """Addresses that carry their own permission to read one object, for a time.

    Args:
        client: What signs, with its own credentials. Temporary credentials end an address with themselves.
        shortcut: What signs sooner, where it can.
        bucket: Where the objects are.
        expiry_s: How long an address is good for, in seconds.
    """

    def __init__(self, client: "S3Client", shortcut: Shortcut, bucket: str, expiry_s: int) -> None:
        self._client = client
        self._shortcut = shortcut
        self._bucket = bucket
        self._expiry_s = expiry_s

    def __call__(self, key: str) -> str:
        """Return an address of an object."""
        return self._shortcut.sign(key, self._expiry_s) or self._sign(key)

    def _sign(self, key: str) -> str:
        parameters = {"Bucket": self._bucket, "Key": key}
        return self._client.generate_presigned_url("get_object", parameters, ExpiresIn=self._expiry_s)
