import logging
from collections.abc import Callable
from datetime import timedelta
from functools import cached_property
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import obstore
from boto3.session import Session
from botocore.exceptions import BotoCoreError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

logger = logging.getLogger("service_server.object_store")

T = TypeVar("T")

# botocore renews temporary credentials ten minutes before they end, and object_store wants others five
# minutes before it is told that they do: what it has is good for five minutes at least.
_CREDENTIALS_KEPT = timedelta(minutes=10)
# How long all is left to boto3 after an answer that was not understood, or none.
_REST_S = 30.0
_ANY_KEY = "any/key"
# What says something of the key, and nothing against the way that it went.
_OF_THE_KEY = (FileNotFoundError, AlreadyExistsError)
_OF_THE_STORE = (BaseError, OSError, ValueError, BotoCoreError)


class Shortcut:
    """Requests about small objects by Rust's object_store, which takes a tenth of boto3's time for each.

    It asks once. What does not come to a good end is left to boto3, which asks again, with its retries, its
    redirections and its knowledge of what S3 may say: then a method returns None.

    Args:
        session: Whose credentials it uses.
        client: Tells where the bucket is, and how long to wait for it.
        bucket: The bucket's name.
    """

    def __init__(self, session: Session, client: "S3Client", bucket: str) -> None:
        self._session = session
        self._client = client
        self._bucket = bucket
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

        return self._try(put)

    def get(self, key: str, max_bytes: int) -> bytes | None:
        """Return an object's content, if that is no more than `max_bytes`."""

        def get(store: S3Store) -> bytes | None:
            found = obstore.get(store, key)
            return bytes(found.bytes()) if found.meta["size"] <= max_bytes else None

        return self._try(get)

    def sign(self, key: str, expiry_s: float) -> str | None:
        """Return an address that carries its own permission to read one object for a time."""
        return self._try(lambda store: obstore.sign(store, "GET", key, timedelta(seconds=expiry_s)))

    def _try(self, ask: Callable[[S3Store], T]) -> T | None:
        if monotonic() < self._rests_until:
            return None
        try:
            return ask(self._store)
        except _OF_THE_KEY as error:
            logger.debug("boto3 is asked as well: %s", type(error).__name__)
        except _OF_THE_STORE as error:
            # Not what it says: that is boto3's to tell, and this may name hosts.
            logger.info("boto3 is left alone with the object store for a while: %s", type(error).__name__)
            self._rests_until = monotonic() + _REST_S
        return None

    @cached_property
    def _store(self) -> S3Store:
        any_object = {"Bucket": self._bucket, "Key": _ANY_KEY}
        address, _, _ = self._client.generate_presigned_url("get_object", any_object).partition("?")
        of_bucket = address.removesuffix(f"/{_ANY_KEY}")
        endpoint = of_bucket.removesuffix(f"/{self._bucket}")
        config: Any = self._client.meta.config  # its attributes are made as the program runs
        return S3Store(
            self._bucket,
            config={
                "aws_endpoint_url_s3": endpoint
            },  # which would come before any other from the environment
            virtual_hosted_style_request=endpoint == of_bucket,
            region=self._client.meta.region_name,
            credential_provider=Boto3CredentialProvider(self._session, ttl=_CREDENTIALS_KEPT),
            client_options={
                "allow_http": True,
                "connect_timeout": timedelta(seconds=config.connect_timeout),
                "timeout": timedelta(seconds=config.read_timeout),
                "user_agent": config.user_agent,
            },
            retry_config={"max_retries": 0},
        )
