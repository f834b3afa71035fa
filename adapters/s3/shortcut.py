import logging
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from urllib.parse import urlsplit

import obstore
from boto3.session import Session
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError
from obstore.store import S3Store

if TYPE_CHECKING:
    from obstore import GetResult
    from types_boto3_s3 import S3Client

logger = logging.getLogger("service_server.object_store")

T = TypeVar("T")

# What is larger is sent and read in pieces by boto3, each with a time of its own.
SMALL_BYTES = 1 << 20
_PIECE_BYTES = 64 << 10
# botocore renews temporary credentials ten minutes before they end, and object_store wants others five
# minutes before it is told that they do: what it has is good for five minutes at least.
_CREDENTIALS_KEPT = timedelta(minutes=10)
# How long boto3 is left alone with the work after a failure, and at most after several in a row, in seconds.
FIRST_REST_S = 1.0
_LONGEST_REST_S = 60.0
_ANY_KEY = "any/key"
# What says something of one object, and nothing against the way to it. Without s3:ListBucket, S3 forbids what
# is not there, and callers may ask for that.
_OF_THE_OBJECT = (FileNotFoundError, AlreadyExistsError, PermissionDeniedError)


class Shortcut:
    """Requests about small objects by Rust's object_store, which takes a tenth of boto3's time for each.

    It asks once. What it leaves to boto3, for which a method returns None, are objects that are larger, and
    whatever does not come to a good end: boto3 asks again, with its retries, its redirections and its
    knowledge of what S3 may say. After a failure it rests for a while, longer after several in a row, and
    then one caller finds out.

    Not to be used before a fork: the child would wait for threads that it does not have.

    Args:
        session: Whose credentials it uses.
        client: Tells where the bucket is, and how long to wait for it.
        bucket: The bucket's name.
    """

    def __init__(self, session: Session, client: "S3Client", bucket: str) -> None:
        self._session = session
        self._client = client
        self._bucket = bucket
        self._failures = 0
        self._rests_until = 0.0

    def put(self, key: str, content: bytes, content_type: str, *, is_new: bool) -> Literal[True] | None:
        """Store an object, and if it is to be new, only if none has the key."""

        def put(store: S3Store) -> Literal[True]:
            obstore.put(
                store,
                key,
                content,
                attributes={"Content-Type": content_type},
                mode="create" if is_new else "overwrite",
                use_multipart=False,
            )
            return True

        return self._try(put) if len(content) <= SMALL_BYTES else None

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """Return an object's content, if that is no more than `max_bytes`."""

        def get(store: S3Store) -> bytes | None:
            found = obstore.get(store, key)
            size = found.meta["size"]
            return _read(found, size) if size <= min(max_bytes, SMALL_BYTES) else None

        return self._try(get)

    def sign(self, key: str, expiry_s: float) -> str | None:
        """Return an address that carries its own permission to read one object for a time."""
        expiry = timedelta(seconds=expiry_s)
        return self._try(lambda store: obstore.sign(store, "GET", key, expiry), asks_s3=False)

    def _try(self, ask: Callable[[S3Store], T], *, asks_s3: bool = True) -> T | None:
        now = monotonic()
        is_open = "_store" in vars(self)  # before, credentials have to be found, which may take its time
        if now < self._rests_until and (asks_s3 or not is_open):
            return None
        if self._failures and asks_s3:
            self._rests_until = now + self._rest_s()  # the others need not find out
        try:
            found = ask(self._store)
        except _OF_THE_OBJECT as error:
            logger.debug("boto3 is asked as well: %s", type(error).__name__)
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, boto3 can do the work, and say what is wrong
            self._failures += 1
            self._rests_until = monotonic() + self._rest_s()
            logger.info("boto3 is left alone with the object store for a while: %s", type(error).__name__)
            return None
        if asks_s3:
            self._failures, self._rests_until = 0, 0.0
        return found

    def _rest_s(self) -> float:
        return min(FIRST_REST_S * 2.0 ** (self._failures - 1), _LONGEST_REST_S)

    @cached_property
    def _store(self) -> S3Store:
        config: Any = self._client.meta.config  # its attributes are made as the program runs
        endpoint, is_in_host = self._endpoint()
        return S3Store(
            self._bucket,
            # An endpoint of this name comes before any other, and none of these is from the environment then.
            config={"aws_endpoint_url_s3": endpoint, "skip_signature": False, "conditional_put": "etag"},
            virtual_hosted_style_request=is_in_host,
            region=self._client.meta.region_name,
            credential_provider=Boto3CredentialProvider(self._session, ttl=_CREDENTIALS_KEPT),
            client_options={
                "allow_http": endpoint.startswith("http:"),
                "connect_timeout": timedelta(seconds=config.connect_timeout),
                "timeout": timedelta(seconds=config.read_timeout),
                "user_agent": config.user_agent,
            },
            retry_config={"max_retries": 0},
        )

    def _endpoint(self) -> tuple[str, bool]:
        """Return where boto3 sends requests about the bucket, and whether that host has the bucket's name.

        An address that boto3 signs tells, but where buckets have hosts, it may be one for all regions.
        """
        any_object = {"Bucket": self._bucket, "Key": _ANY_KEY}
        signed = urlsplit(self._client.generate_presigned_url("get_object", any_object))
        endpoint = urlsplit(self._client.meta.endpoint_url)
        path = signed.path.removesuffix(f"/{_ANY_KEY}")
        if path.endswith(f"/{self._bucket}"):
            return f"{signed.scheme}://{signed.netloc}{path.removesuffix(f'/{self._bucket}')}", False
        return f"{signed.scheme}://{self._bucket}.{endpoint.netloc}{path}", True


def _read(found: "GetResult", size: int) -> bytes | None:
    """Return what there is to read, if it is as long as is said: more may come, or less."""
    content = bytearray()
    for piece in found.stream(min_chunk_size=_PIECE_BYTES):
        content += piece
        if len(content) > size:
            return None
    return bytes(content) if len(content) == size else None
