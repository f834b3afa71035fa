"""What becomes of an S3 store's faults: an error that says what is wrong, soon, and no more than that."""

import io
import socket
import time

import pytest

from adapters.s3.client import build_client
from adapters.s3.object_store import S3ObjectStore
from adapters.s3.urls import PresignedUrls
from application.errors import NotFound, StorageUnavailable, Unprocessable
from domain.values import ObjectKey
from tests.support.scripted_http import Answer, scripted_server

KEY = ObjectKey("project/code.py")
READ_TIMEOUT_S = 0.3


def error(status, code):
    body = f"<Error><Code>{code}</Code><Message>bucket.internal.example said no</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def store_at(address):
    client = build_client(
        "us-east-1",
        endpoint_url=address,
        access_key_id="a-known-id",
        secret_access_key="a-secret",
        connect_timeout_s=READ_TIMEOUT_S,
        read_timeout_s=READ_TIMEOUT_S,
    )
    return S3ObjectStore(client, "bucket", PresignedUrls(client, "bucket", expiry_s=60))


OPERATIONS = {
    "put a short stream": lambda store: store.put(KEY, io.BytesIO(b"print(1)"), "text/plain"),
    "put": lambda store: store.put(KEY, b"print(1)", "text/plain"),
    "put a stream": lambda store: store.put(KEY, io.BytesIO(b"x" * (9 << 20)), "text/plain"),
    "get": lambda store: store.get(KEY, 1_000),
    "delete": lambda store: store.delete(KEY),
    "check": lambda store: store.check(),
}


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


@pytest.fixture
def unused_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]  # bound and not listening: nobody else takes it, and it refuses


def fails(operation, address):
    """Run an operation that is to fail; return what it says, and how long that took in seconds."""
    store = store_at(address)
    begin = time.monotonic()
    with pytest.raises(StorageUnavailable) as refused:
        operation(store)
    said = str(refused.value)
    assert not [secret for secret in ("127.0.0.1", "example", "a-known-id", "bucket/") if secret in said]
    return said, time.monotonic() - begin


@pytest.mark.parametrize(
    ("answer", "sentence", "attempts"),
    [
        (error(500, "InternalError"), "answers with an error", 3),
        (error(503, "SlowDown"), "fewer requests", 3),
        (error(403, "AccessDenied"), "do not permit", 1),
        (error(404, "NoSuchBucket"), "bucket does not exist", 1),
        (Answer(400, b"\xff<html>", {"Content-Type": "text/html"}), "answers with an error", 1),
        (Answer(502, b"<html>Bad Gateway"), "answers with an error", 3),
    ],
    ids=["internal error", "throttled", "forbidden", "no bucket", "garbage", "gateway"],
)
@pytest.mark.parametrize("name", ["put a stream", "check"])
def test_a_store_that_refuses_is_tried_a_few_times_at_most(name, answer, sentence, attempts):
    with scripted_server(answer) as server:
        said, _ = fails(OPERATIONS[name], server.address)
    assert sentence in said
    assert len(server.requests) == attempts


def test_a_store_that_does_not_listen_is_unavailable_at_once(operation, unused_port):
    said, took_s = fails(operation, f"http://127.0.0.1:{unused_port}")
    assert "cannot be reached" in said
    assert took_s < 8


def test_a_store_that_never_answers_is_given_up_within_its_timeouts(operation):
    with scripted_server(Answer(is_withheld=True)) as server:
        said, took_s = fails(operation, server.address)
    assert "does not answer in time" in said
    assert took_s < 8


def test_a_fault_that_passes_is_not_noticed():
    with scripted_server(error(503, "SlowDown"), error(500, "InternalError"), Answer(200, b"12")) as server:
        assert store_at(server.address).get(KEY, 1_000) == b"12"


def test_small_content_is_sent_without_asking_first():
    with scripted_server(error(503, "SlowDown"), Answer(200)) as server:
        OPERATIONS["put"](store_at(server.address))
    assert server.expectations == [None, None]


def test_an_answer_that_breaks_off_is_no_object():
    with scripted_server(Answer(200, b"print(", claimed_bytes=9)) as server:
        said, _ = fails(OPERATIONS["get"], server.address)
    assert "unavailable" in said


def test_an_object_that_is_too_large_is_not_read():
    # Given an object of a terabyte, of which the server sends nothing
    with scripted_server(Answer(200, b"", claimed_bytes=1 << 40)) as server, pytest.raises(Unprocessable):
        # When it is asked for, then it is refused by its size
        store_at(server.address).get(KEY, 1_000)


def test_a_missing_object_is_told_from_a_missing_bucket():
    with scripted_server(error(404, "NoSuchKey")) as server, pytest.raises(NotFound):
        store_at(server.address).get(KEY, 1_000)


def test_a_store_without_credentials_says_so(monkeypatch):
    # Given no credentials anywhere that boto3 looks
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    client = build_client("us-east-1")
    store = S3ObjectStore(client, "bucket", PresignedUrls(client, "bucket", expiry_s=60))
    # When it is used or signs, then it says what is missing
    for operation in (*OPERATIONS.values(), lambda store: store.url(KEY)):
        with pytest.raises(StorageUnavailable, match="no credentials"):
            operation(store)


@pytest.mark.parametrize("size", [100, 9 << 20], ids=["short", "long"])
def test_a_stream_that_was_not_stored_can_be_stored_once_more(size):
    # Given a stream, and a store that refuses it
    stream = io.BytesIO(b"x" * size)
    with scripted_server(error(500, "InternalError")) as server:
        fails(lambda store: store.put(KEY, stream, "text/plain"), server.address)
    # Then it is still there to be read
    stream.seek(0)
    assert len(stream.read()) == size
