import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Urls = Callable[[str], str]

_CACHE_SIZE = 10_000


class PlainUrls:
    """The addresses that Amazon gives to objects that anyone may read."""

    def __init__(self, bucket: str, region: str) -> None:
        self._base = f"https://{bucket}.s3.{region}.amazonaws.com"

    def __call__(self, key: str) -> str:
        """Return the address of an object."""
        return f"{self._base}/{quote(key)}"


class PresignedUrls:
    """Addresses that carry their own permission to read one object, for a time.

    To sign one takes a good part of a millisecond and a list shows a hundred, so an address is given out
    again during the first half of its life.

    Args:
        client: What signs, with its own credentials. Temporary credentials end an address with themselves.
        bucket: Where the objects are.
        expiry_s: How long an address is good for when it is new, in seconds.
    """

    def __init__(self, client: "S3Client", bucket: str, expiry_s: int) -> None:
        self._client = client
        self._bucket = bucket
        self._expiry_s = expiry_s
        self._signed: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, key: str) -> str:
        """Return an address of an object that is good for half of the expiry at least."""
        now = time.monotonic()
        with self._lock:
            until, url = self._signed.get(key, (now, ""))
        if now < until:
            return url
        url = self._sign(key)
        with self._lock:
            self._signed[key] = (now + self._expiry_s / 2, url)
            self._signed.move_to_end(key)
            while len(self._signed) > _CACHE_SIZE:
                self._signed.popitem(last=False)
        return url

    def _sign(self, key: str) -> str:
        parameters = {"Bucket": self._bucket, "Key": key}
        return self._client.generate_presigned_url("get_object", parameters, ExpiresIn=self._expiry_s)
