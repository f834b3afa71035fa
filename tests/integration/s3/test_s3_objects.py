"""S3's own features: addresses that expire, uploads in parts, types of content."""

import io
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from botocore.config import Config

from adapters.s3.bucket import Bucket
from adapters.s3.object_store import S3ObjectStore
from application.errors import StorageUnavailable
from domain.values import ObjectKey
from tests.support import moto_server, swift
from tests.support.buckets import client_of, new_bucket

KEY = ObjectKey("한국어 project/a + b%?#~.py")
DEADLINE_S = 10


@pytest.fixture
def moto_client(moto_address):
    return client_of(moto_address, moto_server)


@pytest.fixture
def moto_bucket(moto_address):
    return new_bucket(moto_address, moto_server)


@pytest.fixture
def moto_store(moto_bucket):
    return S3ObjectStore(moto_bucket, 60)


@pytest.fixture
def swift_bucket(swift_address):
    return new_bucket(swift_address, swift)


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_anyone_may_read_an_object_by_its_presigned_address_until_that_expires(swift_bucket):
    # Given an object and an address that is good for three seconds
    store = S3ObjectStore(swift_bucket, 3)
    store.put(KEY, b"print(1)", "text/plain")
    url = store.url(KEY)
    # When it is fetched without credentials, then it is given
    assert httpx.get(url).content == b"print(1)"
    # And once the address has expired, no more
    wait_until(lambda: httpx.get(url).status_code == httpx.codes.FORBIDDEN)


def test_a_presigned_address_of_one_object_opens_no_other(swift_bucket):
    store = S3ObjectStore(swift_bucket, 60)
    store.put(ObjectKey("logs/1"), b"1", "text/plain")
    store.put(ObjectKey("logs/2"), b"2", "text/plain")
    url = store.url(ObjectKey("logs/1"))
    assert httpx.get(url.replace("logs/1", "logs/2")).status_code == httpx.codes.FORBIDDEN


def test_a_plain_address_is_that_of_the_bucket_with_the_key_encoded():
    store = S3ObjectStore(Bucket("code-bucket", "ap-northeast-2"))
    assert store.url(ObjectKey("a project/é+?.py")) == (
        "https://code-bucket.s3.ap-northeast-2.amazonaws.com/a%20project/%C3%A9%2B%3F.py"
    )


@pytest.mark.parametrize(
    ("region", "bucket", "environment", "address"),
    [
        ("us-east-1", "code", {}, "https://code.s3.amazonaws.com"),
        ("eu-central-1", "code", {}, "https://code.s3.eu-central-1.amazonaws.com"),
        ("eu-central-1", "a.b.c", {}, "https://s3.eu-central-1.amazonaws.com/a.b.c"),
        ("us-east-1", "code", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1/code"),
        (
            "us-east-1",
            "code",
            {"AWS_ENDPOINT_URL_S3": "http://store.test:9000"},
            "http://store.test:9000/code",
        ),
        ("us-east-1", "code", {"AWS_ENDPOINT": "http://store.test"}, "https://code.s3.amazonaws.com"),
        (
            "eu-west-1",
            "arn:aws:s3:eu-west-1:123456789012:accesspoint/code",
            {},
            "https://code-123456789012.s3-accesspoint.eu-west-1.amazonaws.com",
        ),
        (
            "us-east-1",
            "code",
            {"AWS_USE_FIPS_ENDPOINT": "true"},
            "https://code.s3-fips.us-east-1.amazonaws.com",
        ),
        ("us-east-1", "code", {"AWS_SKIP_SIGNATURE": "true"}, "https://code.s3.amazonaws.com"),
    ],
)
def test_requests_go_where_boto3_would_send_them(monkeypatch, region, bucket, environment, address):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    opened = Bucket(bucket, region, access_key_id="a-known-id", secret_access_key="a-secret")
    client = opened.session.client("s3", region, config=Config(signature_version="s3v4"))
    of_boto3 = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": KEY.value})
    by_boto3, signed = urlsplit(of_boto3), urlsplit(S3ObjectStore(opened, 60).url(KEY))
    assert f"{signed.scheme}://{signed.netloc}{signed.path}" == f"{address}/{quote(KEY.value)}"
    # Boto3 signs for a host of all regions, and for this region all the same.
    assert by_boto3.netloc in {signed.netloc, f"{bucket}.s3.amazonaws.com"}
    assert by_boto3.path == signed.path
    scopes = [parse_qs(url.query)["X-Amz-Credential"][0] for url in (by_boto3, signed)]
    assert scopes[0].split("/")[2:] == scopes[1].split("/")[2:] == [region, "s3", "aws4_request"]


def test_wrong_credentials_are_named_as_the_reason(swift_address):
    store = S3ObjectStore(new_bucket(swift_address, swift, secret="wrong"), 60)
    with pytest.raises(StorageUnavailable, match="credentials are wrong"):
        store.put(KEY, b"print(1)", "text/plain")


def test_the_type_of_the_content_is_kept_for_those_who_fetch_it(moto_client, moto_store, moto_bucket):
    moto_store.put(ObjectKey("small"), b"{}", "application/json")
    moto_store.put(ObjectKey("large"), io.BytesIO(b" " * (9 << 20)), "application/json")
    types = {
        moto_client.head_object(Bucket=moto_bucket.name, Key=key)["ContentType"] for key in ("small", "large")
    }
    assert types == {"application/json"}


def test_an_upload_that_breaks_off_leaves_no_parts_to_be_paid_for(moto_client, moto_store, moto_bucket):
    with pytest.raises(EOFError):
        moto_store.put(KEY, Zeros(40 << 20, breaks_off_at=20 << 20), "text/plain")
    assert "Uploads" not in moto_client.list_multipart_uploads(Bucket=moto_bucket.name)


@pytest.mark.parametrize("key", ["a//b", "a/../b", "/a", "folder/", "control\x01character"])
def test_an_object_of_other_software_hides_no_other_object(moto_client, moto_store, moto_bucket, key):
    # Given a bucket in which other software has stored an object under a key that is none of the service's
    moto_client.put_object(Bucket=moto_bucket.name, Key=key, Body=b"theirs")
    moto_store.put(KEY, b"print(1)", "text/plain")
    # When the objects are listed
    found = moto_store.stored_before(datetime.now(UTC) + timedelta(hours=1))
    # Then the others are found
    assert [each.key for each in found] == [KEY]


def test_more_objects_than_are_listed_in_one_answer_are_found(moto_client, moto_store, moto_bucket):
    keys = {f"project/{number}.py" for number in range(moto_server.MAX_KEYS + 1)}
    for key in keys:
        moto_client.put_object(Bucket=moto_bucket.name, Key=key, Body=b"")
    assert moto_client.list_objects_v2(Bucket=moto_bucket.name)["KeyCount"] == moto_server.MAX_KEYS
    found = moto_store.stored_before(datetime.now(UTC) + timedelta(hours=1))
    assert {each.key.value for each in found} == keys


def test_a_large_stream_is_sent_without_being_held_in_memory(moto_store):
    # Given a stream of 64 MiB
    tracemalloc.start()
    try:
        # When it is stored
        moto_store.put(KEY, Zeros(64 << 20), "text/plain")
        # Then no more than a few parts of 8 MiB were ever held
        assert tracemalloc.get_traced_memory()[1] < 30 << 20
    finally:
        tracemalloc.stop()


class Zeros(io.RawIOBase):
    """A stream, like a pipe's, of a length, or one that ends in an error."""

    def __init__(self, length, breaks_off_at=None):
        self._left = length
        self._breaks_off_below = length - breaks_off_at if breaks_off_at else -1

    def readable(self):
        return True

    def read(self, size=-1):
        if self._left < self._breaks_off_below:
            raise EOFError
        given = self._left if size < 0 else min(size, self._left)
        self._left -= given
        return bytes(given)
