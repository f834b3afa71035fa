"""Buckets on the S3 servers of tests; each test gets a new one."""

from functools import cache
from types import ModuleType
from uuid import uuid4

import boto3

from adapters.s3.bucket import Bucket

REGION = "us-east-1"


@cache
def client_of(address: str, server: ModuleType):
    """Return the boto3 client for a server, for requests that the service never makes."""
    return boto3.client(
        "s3",
        REGION,
        endpoint_url=address,
        aws_access_key_id=server.ACCESS_KEY_ID,
        aws_secret_access_key=server.SECRET_ACCESS_KEY,
    )


def new_bucket(address: str, server: ModuleType, secret: str | None = None) -> Bucket:
    """Create a bucket; return it as the service opens it, optionally with a wrong secret."""
    name = f"bucket-{uuid4()}"
    client_of(address, server).create_bucket(Bucket=name)
    secret = secret or server.SECRET_ACCESS_KEY
    return Bucket(name, REGION, address, access_key_id=server.ACCESS_KEY_ID, secret_access_key=secret)
