"""Access to a bucket: passes boto3's settings and credentials to obstore."""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import botocore.session
import certifi
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from adapters.common.boto3_session import new_session

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

_USER_AGENT = "service-server"
# The maximum time of one request whose bytes keep arriving.
_WHOLE_TIMEOUT = timedelta(minutes=15)
_FIRST_BACKOFF, _LONGEST_BACKOFF = timedelta(milliseconds=100), timedelta(seconds=1)
# botocore renews temporary credentials ten minutes before they expire, and obstore requests new ones five
# minutes before the expiry that it was given. Credentials in use are therefore valid for at least five
# minutes.
_CREDENTIALS_TTL = timedelta(minutes=10)
_ANY_KEY = "any/key"
_REGION_HEADER = "x-amz-bucket-region"
_REGION = re.compile(r"<Region>([a-z0-9-]+)</Region>")


class Bucket:
    """A bucket of Amazon S3 or of an S3-compatible store.

    boto3 resolves the endpoint from its own settings (endpoints, regions, FIPS, dual stack, partitions), and
    finds and renews the credentials. obstore sends the requests about objects.

    The store is opened on first use. It must not be used before a fork, because its threads would be missing
    in the child.

    Args:
        name: The bucket's name.
        region: The bucket's region. If the bucket turns out to be in another region, that region is used.
        endpoint_url: The address of an S3-compatible store; None for boto3's own setting
            (`AWS_ENDPOINT_URL`).
        access_key_id: None for the credentials that boto3 finds: environment, files, task or instance role.
        secret_access_key: The secret of the access key.
        session_token: The token of a temporary access key.
        connect_timeout_s: The timeout of one attempt to connect, in seconds.
        read_timeout_s: The timeout for the answer to a request of at most one part, and for each read of an
            answer, in seconds.
        attempts: The maximum number of attempts per request.

    Attributes:
        session: boto3's settings and credentials.
    """

    def __init__(
        self,
        name: str,
        region: str,
        endpoint_url: str | None = None,
        *,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        connect_timeout_s: float = 2.0,
        read_timeout_s: float = 10.0,
        attempts: int = 2,
    ) -> None:
        self.name = name
        self.region = region
        self._endpoint_url = endpoint_url
        self.session = new_session(access_key_id, secret_access_key, session_token, region)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._attempts = attempts
        self._client = self._build_client(region)
        self._store: S3Store | None = None
        self._lock = Lock()

    def store(self) -> S3Store:
        """Return the store, and open it on first use.

        Raises:
            NoCredentialsError: boto3 finds no credentials.
        """
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    def pages(self) -> "Iterator[ListObjectsV2OutputTypeDef]":
        """Return the pages of a listing of all objects, each requested when it is reached.

        boto3 lists, because obstore rejects a whole page if other software has stored an object under a key
        such as `a//b`.
        """
        return iter(self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name))

    def find_region(self, error: Exception) -> bool:
        """Find the region of a bucket that is not in the configured region; return whether it was found."""
        found = _REGION.search(str(error))
        region = found[1] if found else self._ask_region()
        if region is None:
            return False
        with self._lock:
            if region != self.region:  # otherwise another thread has found it
                self.region = region
                self._client = self._build_client(region)
                self._store = None
        return True

    def _ask_region(self) -> str | None:
        try:
            return self._client.head_bucket(Bucket=self.name).get("BucketRegion")
        except (BotoCoreError, ClientError):
            return None

    def _build_client(self, region: str) -> "S3Client":
        config = Config(
            connect_timeout=self._connect_timeout_s,
            read_timeout=self._read_timeout_s,
            retries={"mode": "standard", "total_max_attempts": self._attempts},
            signature_version="s3v4",
            s3=None if self._endpoint_url is None else {"addressing_style": "path"},
        )
        client = self.session.client("s3", region, endpoint_url=self._endpoint_url, config=config)
        client.meta.events.register("needs-retry.s3.HeadBucket", _end_redirects)
        return client

    def _open(self) -> S3Store:
        if self.session.get_credentials() is None:
            raise NoCredentialsError
        endpoint, is_in_host = self._endpoint()
        return S3Store(
            self.name,
            config={
                # This endpoint setting precedes all others. These settings override the environment's.
                "aws_endpoint_url_s3": endpoint,
                "skip_signature": False,
                "disable_bulk_delete": True,  # not every store supports it
            },
            virtual_hosted_style_request=is_in_host,
            region=self.region,
            credential_provider=Boto3CredentialProvider(self.session, ttl=_CREDENTIALS_TTL),
            client_options={
                "allow_http": endpoint.startswith("http:"),
                "connect_timeout": timedelta(seconds=self._connect_timeout_s),
                "read_timeout": timedelta(seconds=self._read_timeout_s),
                "timeout": _WHOLE_TIMEOUT,
                "root_certificate": _certificates(),
                "user_agent": _USER_AGENT,
            },
            retry_config={
                "max_retries": self._attempts - 1,
                "backoff": {"init_backoff": _FIRST_BACKOFF, "max_backoff": _LONGEST_BACKOFF, "base": 2},
            },
        )

    def _endpoint(self) -> tuple[str, bool]:
        """Return the endpoint for the bucket, and whether its host name contains the bucket's name.

        An address signed by boto3 reveals the endpoint, but may have the global host instead of the region's.
        """
        any_object = {"Bucket": self.name, "Key": _ANY_KEY}
        signed = urlsplit(self._client.generate_presigned_url("get_object", any_object))
        regional = urlsplit(self._client.meta.endpoint_url)
        path = signed.path.removesuffix(f"/{_ANY_KEY}")
        if path.endswith(f"/{self.name}"):
            return f"{signed.scheme}://{signed.netloc}{path.removesuffix(f'/{self.name}')}", False
        is_global = signed.netloc == f"{self.name}.s3.amazonaws.com"
        host = f"{self.name}.{regional.netloc}" if is_global else signed.netloc
        return f"{signed.scheme}://{host}{path}", True


def _end_redirects(
    request_dict: Mapping[str, Any], response: tuple[Any, Mapping[str, Any]] | None, **_: object
) -> None:
    """Keep botocore from asking for a bucket's region again because the answer to that names none.

    It asks after each redirect, so a store or a proxy that redirects every request would be asked without
    end. Handlers of one operation run before botocore's own, which serves all.
    """
    headers = {} if response is None else response[1].get("ResponseMetadata", {}).get("HTTPHeaders", {})
    if _REGION_HEADER not in headers:
        request_dict["context"]["s3_redirect"]["redirected"] = True


def _certificates() -> bytes:
    """Return the CA certificates that boto3 trusts. The system's are trusted in addition."""
    configured = botocore.session.get_session().get_config_variable("ca_bundle")
    bundle = configured or os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    return Path(bundle).read_bytes()
