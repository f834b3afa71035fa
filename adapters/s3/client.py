from typing import TYPE_CHECKING

from boto3.session import Session
from botocore.awsrequest import AWSRequest
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

# A caller waits meanwhile, and what did not go well is tried again later.
_CONNECT_TIMEOUT_S = 2
_READ_TIMEOUT_S = 10.0
_ATTEMPTS = 3

# Stores other than Amazon's seldom have a host name per bucket, and do not all know its checksum trailers.
_OTHER_STORES = Config(
    s3={"addressing_style": "path"},
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


def open_session(
    region: str | None,
    *,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
) -> Session:
    """Find credentials.

    Args:
        region: Where the bucket is; None for what boto3 finds in its own configuration.
        access_key_id: None for the credentials that boto3 finds: environment, files, task or instance role.
        secret_access_key: What belongs to the access key.
        session_token: What belongs to a temporary access key.
    """
    return Session(access_key_id, secret_access_key, session_token, region)


def build_client(
    session: Session,
    *,
    endpoint_url: str | None = None,
    pool_size: int = 32,
    connect_timeout_s: float = _CONNECT_TIMEOUT_S,
    read_timeout_s: float = _READ_TIMEOUT_S,
    attempts: int = _ATTEMPTS,
) -> "S3Client":
    """Build a client, which costs 0.3 s and is safe to share between threads.

    Args:
        session: Whose credentials and region the client has.
        endpoint_url: A store other than Amazon's; None for what boto3 finds (`AWS_ENDPOINT_URL`).
        pool_size: How many connections are kept: as many as there are threads that use the client.
        connect_timeout_s: How long one attempt may take to connect, in seconds.
        read_timeout_s: How long one attempt may wait for the next bytes, in seconds.
        attempts: How often a request is made, at most.
    """
    config = Config(
        connect_timeout=connect_timeout_s,
        read_timeout=read_timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=pool_size,
        tcp_keepalive=True,
        signature_version="s3v4",  # or addresses are signed as of old, which newer regions refuse
        user_agent="service-server",  # botocore's own is put together anew for every request
    )
    if endpoint_url is not None:
        config = config.merge(_OTHER_STORES)
    client = session.client("s3", endpoint_url=endpoint_url, config=config)
    client.meta.events.register("before-sign.s3.PutObject", _send_at_once)
    return client


def _send_at_once(request: AWSRequest, **_: object) -> None:
    """Send content without asking first whether it may be sent, which takes another round trip.

    Botocore always asks, and reads the answer byte by byte. What is large goes in parts, where it pays.
    """
    del request.headers["Expect"]
