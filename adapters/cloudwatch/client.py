from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient

_CONFIG = Config(  # type: ignore[call-arg]  # the stubs lack its last option
    connect_timeout=2,
    read_timeout=5,
    # Standard retries wait for a random part of 1, 2, 4, ... s between attempts; throttling is retried too.
    retries={"mode": "standard", "total_max_attempts": 4},
    # AWS_ENDPOINT_URL names the object store here, which knows no metrics, and boto3 has it name everything.
    ignore_configured_endpoint_urls=True,
)


def build_client(
    region: str | None,
    *,
    endpoint_url: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
) -> "CloudWatchClient":
    """Build a client, which costs 0.3 s and is safe to share between threads.

    Args:
        region: Where the cluster is; None for what boto3 finds in its own configuration.
        endpoint_url: Another service than Amazon's; None for Amazon's, whatever boto3's configuration says.
        access_key_id: None for the credentials that boto3 finds: environment, files, task or instance role.
        secret_access_key: What belongs to the access key.
        session_token: What belongs to a temporary access key.
    """
    session = boto3.session.Session(access_key_id, secret_access_key, session_token, region)
    return session.client("cloudwatch", endpoint_url=endpoint_url, config=_CONFIG)
