"""The two buckets of the service, each with as much patience as those have who wait for it."""

from typing import TypedDict

from adapters.s3.client import build_client
from adapters.s3.errors import StorageCircuit
from adapters.s3.object_store import S3ObjectStore
from adapters.s3.urls import PlainUrls, PresignedUrls

# Whoever uploads code waits meanwhile; a worker that has a log to store can take its time.
_CODE_TIMEOUT_S, _CODE_ATTEMPTS = 3.0, 2
_LOG_TIMEOUT_S, _LOG_ATTEMPTS = 10.0, 3


class Access(TypedDict):
    """How buckets are reached: what `build_client` takes beside the region."""

    endpoint_url: str | None
    access_key_id: str | None
    secret_access_key: str | None
    session_token: str | None


def code_bucket(bucket: str, region: str, access: Access) -> S3ObjectStore:
    """Open the bucket of code. After it did not answer, callers are refused for a moment."""
    client = build_client(region, read_timeout_s=_CODE_TIMEOUT_S, attempts=_CODE_ATTEMPTS, **access)
    return S3ObjectStore(client, bucket, PlainUrls(bucket, region), StorageCircuit())


def log_bucket(bucket: str, region: str, access: Access, expiry_s: int | None) -> S3ObjectStore:
    """Open the bucket of logs.

    Args:
        bucket: Its name.
        region: Where it is.
        access: How it is reached.
        expiry_s: How long the address of a log is good for, in seconds; None if anyone may read it for ever.
    """
    client = build_client(region, read_timeout_s=_LOG_TIMEOUT_S, attempts=_LOG_ATTEMPTS, **access)
    if expiry_s is None:
        return S3ObjectStore(client, bucket, PlainUrls(bucket, region))
    return S3ObjectStore(client, bucket, PresignedUrls(client, bucket, expiry_s))
