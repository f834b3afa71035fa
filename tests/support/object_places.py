"""The stores of code and logs for runners, named by a directory or the URL of a bucket."""

from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from adapters.filesystem.names import spread_names
from domain.values import ObjectKey


class Directory:
    """Objects in files."""

    def __init__(self, place: str) -> None:
        self._directory = Path(place)

    def read(self, key: str) -> bytes:
        """Return an object, or raise LookupError."""
        try:
            return self._path(key).read_bytes()
        except OSError as error:
            raise LookupError(key) from error

    def _path(self, key: str) -> Path:
        spread = self._directory.joinpath(*spread_names(ObjectKey(key)))
        return spread if spread.exists() else self._directory / key

    def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        path = self._directory / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


class Bucket:
    """Objects in S3."""

    def __init__(self, place: str) -> None:
        parts = urlsplit(place)
        self._name = parts.path.strip("/")
        self._client = boto3.client("s3", "us-east-1", endpoint_url=f"{parts.scheme}://{parts.netloc}")

    def read(self, key: str) -> bytes:
        """Return an object, or raise LookupError."""
        try:
            return self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise LookupError(key) from error

    def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        self._client.put_object(Bucket=self._name, Key=key, Body=content)


def objects_at(place: str) -> Directory | Bucket:
    """Return the object store at a place."""
    return Bucket(place) if place.startswith("http") else Directory(place)
