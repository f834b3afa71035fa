"""The address of a bucket and the access to it: boto3's settings and credentials, as obstore takes them."""

import os
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import botocore.session
import certifi
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from botocore.loaders import Loader
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_USER_AGENT = "service-server"
# The longest that one request may take, for as long as its bytes keep coming.
_WHOLE_TIMEOUT = timedelta(minutes=15)
_FIRST_BACKOFF, _LONGEST_BACKOFF = timedelta(milliseconds=100), timedelta(seconds=1)
# botocore renews temporary credentials ten minutes before they end, and obstore asks for new ones five
# minutes before the end that it was given: credentials in use are valid for five minutes at least.
_CREDENTIALS_TTL = timedelta(minutes=10)
_ANY_KEY = "any/key"
_REGION = re.compile(r"<Region>([a-z0-9-]+)</Region>")


class Bucket:
    """A bucket of Amazon S3, or of a store that speaks its API.

    boto3 resolves its endpoint from its own settings (endpoints, regions, FIPS, dual stack, partitions), and
    finds and renews the credentials. Requests about objects go through obstore.

    The store opens at its first use and must not be used before a fork: its threads would be missing in the
    child.

    Args:
        name: The bucket's name.
        region: Its region. If the bucket turns out to be in another one, that is used.
        endpoint_url: The address of a store other than Amazon's; None for boto3's own (`AWS_ENDPOINT_URL`).
        access_key_id: None for the credentials that boto3 finds: environment, files, task or instance role.
        secret_access_key: The access key's secret.
        session_token: The token of a temporary access key.
        connect_timeout_s: The time for one attempt to connect, in seconds.
        read_timeout_s: The time for a request of at most one part to be answered, and for each read of an
            answer, in seconds.
        attempts: The number of attempts of a request, at most.

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
        core = botocore.session.get_session()
        core.register_component("data_loader", _descriptions())
        self.session = Session(access_key_id, secret_access_key, session_token, region, core)
        self._connect_timeout_s = connect_timeout_s
        self._read_timeout_s = read_timeout_s
        self._attempts = attempts
        self._client = self._build_client(region)
        self._store: S3Store | None = None
        self._lock = Lock()

    def store(self) -> S3Store:
        """Return the store, opened.

        Raises:
            NoCredentialsError: boto3 finds no credentials.
        """
        with self._lock:
            if self._store is None:
                self._store = self._open()
            return self._store

    def find_region(self, error: Exception) -> bool:
        """Find the region of a bucket that is in another one than configured; return whether it was found."""
        found = _REGION.search(str(error))
        region = found[1] if found else self._ask_region()
        if region is None:
            return False
        with self._lock:
            if region != self.region:  # or another thread has found it
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
        return self.session.client("s3", region, endpoint_url=self._endpoint_url, config=config)

    def _open(self) -> S3Store:
        if self.session.get_credentials() is None:
            raise NoCredentialsError
        endpoint, is_in_host = self._endpoint()
        return S3Store(
            self.name,
            config={
                # An endpoint of this name comes before any other, and none of these is from the environment.
                "aws_endpoint_url_s3": endpoint,
                "skip_signature": False,
                "disable_bulk_delete": True,  # not every store has it
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
        """Return where boto3 sends requests about the bucket, and whether that host has the bucket's name.

        An address that boto3 signs shows it, but may have the host of all regions in place of the region's.
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


@cache
def _descriptions() -> Loader:
    """Return the loader of boto3's descriptions of APIs, which reads and parses each once in a process."""
    loader: Loader = botocore.session.get_session().get_component("data_loader")
    return loader


def _certificates() -> bytes:
    """Return the authorities that boto3 would trust; the system's are trusted beside them."""
    configured = botocore.session.get_session().get_config_variable("ca_bundle")
    bundle = configured or os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where()
    return Path(bundle).read_bytes()
