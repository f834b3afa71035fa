"""The two buckets of the service, each with as much patience as its callers have."""

from typing import TYPE_CHECKING, TypedDict

from boto3.session import Session

from adapters.common.circuit_breaker import CircuitBreaker
from adapters.s3.client import build_client, open_session
from adapters.s3.errors import storage_circuit
from adapters.s3.object_store import S3ObjectStore
from adapters.s3.shortcut import Shortcut
from adapters.s3.urls import PlainUrls, PresignedUrls, Urls

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# Whoever uploads code waits meanwhile; a log is larger, and is kept by its worker if it cannot be stored.
_CODE_TIMEOUT_S, _CODE_ATTEMPTS = 3.0, 2
_LOG_TIMEOUT_S, _LOG_ATTEMPTS = 10.0, 2


class Credentials(TypedDict):
    """What `open_session` takes beside the region."""

    access_key_id: str | None
    secret_access_key: str | None
    session_token: str | None


def code_bucket(
    bucket: str, region: str, endpoint_url: str | None, credentials: Credentials
) -> S3ObjectStore:
    """Open the bucket of code. After it did not answer, callers are refused for a moment."""
    session = open_session(region, **credentials)
    client = build_client(
        session, endpoint_url=endpoint_url, read_timeout_s=_CODE_TIMEOUT_S, attempts=_CODE_ATTEMPTS
    )
    return open_bucket(session, client, bucket, PlainUrls(bucket, region), storage_circuit())


def log_bucket(
    bucket: str, region: str, endpoint_url: str | None, credentials: Credentials, expiry_s: int | None
) -> S3ObjectStore:
    """Open the bucket of logs. After it did not answer, callers are refused for a moment.

    Args:
        bucket: Its name.
        region: Where it is.
        endpoint_url: A store other than Amazon's.
        credentials: Those that are set, if any are.
        expiry_s: How long the address of a log is good for, in seconds; None if anyone may read it for ever.
    """
    session = open_session(region, **credentials)
    client = build_client(
        session, endpoint_url=endpoint_url, read_timeout_s=_LOG_TIMEOUT_S, attempts=_LOG_ATTEMPTS
    )
    urls = PlainUrls(bucket, region) if expiry_s is None else expiry_s
    return open_bucket(session, client, bucket, urls, storage_circuit())


def open_bucket(
    session: Session,
    client: "S3Client",
    bucket: str,
    urls: Urls | int,
    circuit: CircuitBreaker | None = None,
) -> S3ObjectStore:
    """Open a bucket; `urls` may be how long addresses are good for that are signed, in seconds."""
    shortcut = Shortcut(session, client, bucket)
    if isinstance(urls, int):
        urls = PresignedUrls(client, shortcut, bucket, urls)
    return S3ObjectStore(client, shortcut, bucket, urls, circuit)
