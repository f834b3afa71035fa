"""Faults of an S3 store: an error that names the cause, soon, and no more than that."""

import io
import time
from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import CredentialRetrievalError

from adapters.common.circuit_breaker import RESET_S
from adapters.s3.bucket import Bucket
from adapters.s3.errors import storage_circuit
from adapters.s3.object_store import S3ObjectStore
from application.errors import NotFound, StorageUnavailable, Unprocessable
from domain.values import ObjectKey
from tests.support.certificate import over_tls, self_signed
from tests.support.failing import Failing
from tests.support.ports import free_port
from tests.support.processes import eventually
from tests.support.scripted_http import Answer, scripted_server

KEY = ObjectKey("project/code.py")
READ_TIMEOUT_S = 0.3


def error(status, code):
    body = f"<Error><Code>{code}</Code><Message>bucket.internal.example said no</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def bucket_at(address, attempts=3):
    credentials = {"access_key_id": "a-known-id", "secret_access_key": "a-secret"}
    timeouts = {"connect_timeout_s": READ_TIMEOUT_S, "read_timeout_s": READ_TIMEOUT_S}
    return Bucket("bucket", "us-east-1", address, attempts=attempts, **credentials, **timeouts)


def store_at(address, attempts=3, circuit=None):
    return S3ObjectStore(bucket_at(address, attempts), 60, circuit)


OPERATIONS = {
    "put a short stream": lambda store: store.put(KEY, io.BytesIO(b"print(1)"), "text/plain"),
    "put": lambda store: store.put(KEY, b"print(1)", "text/plain"),
    "put a stream": lambda store: store.put(KEY, io.BytesIO(b"x" * (9 << 20)), "text/plain"),
    "get": lambda store: store.get(KEY, 1_000),
    "delete": lambda store: store.delete(KEY),
    "check": lambda store: store.check(),
    "list": lambda store: list(store.stored_before(datetime.now(UTC))),
}


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


def fails(operation, address):
    """Run an operation that is to fail; return its message, and its duration in seconds."""
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
        (error(500, "InternalError"), "responds with an error", 3),
        (error(503, "SlowDown"), "throttles requests", 3),
        (error(403, "AccessDenied"), "do not permit", 1),
        (error(404, "NoSuchBucket"), "bucket does not exist", 1),
        (Answer(400, b"\xff<html>", {"Content-Type": "text/html"}), "responds with an error", 1),
        (Answer(502, b"<html>Bad Gateway"), "responds with an error", 3),
    ],
    ids=["internal error", "throttled", "forbidden", "no bucket", "garbage", "gateway"],
)
@pytest.mark.parametrize("name", ["put a stream", "check", "list"])
def test_a_store_that_refuses_is_tried_a_few_times_at_most(name, answer, sentence, attempts):
    with scripted_server(answer) as server:
        said, _ = fails(OPERATIONS[name], server.address)
    assert sentence in said
    assert len(server.requests) == attempts


def test_a_store_that_does_not_listen_is_unavailable_at_once(operation):
    said, took_s = fails(operation, f"http://127.0.0.1:{free_port()}")
    assert "cannot be reached" in said
    assert took_s < 30


def test_a_store_that_never_answers_is_given_up_within_its_timeouts(operation):
    with scripted_server(Answer(is_withheld=True)) as server:
        said, took_s = fails(operation, server.address)
    assert "does not respond in time" in said
    assert took_s < 30


def test_after_a_store_did_not_answer_calls_are_refused_for_a_moment_and_then_it_is_used_again():
    with scripted_server(Answer(is_withheld=True), Answer(is_withheld=True), Answer(200, b"12")) as server:
        store = store_at(server.address, attempts=2, circuit=storage_circuit())
        # Given a store that has not answered
        with pytest.raises(StorageUnavailable):
            store.check()
        # When it is asked again at once
        with pytest.raises(StorageUnavailable, match=r"does not respond \(circuit open\)"):
            store.get(KEY, 1_000)
        # Then it is spared that, and its caller the wait
        assert len(server.requests) == 2
        # And a moment later it is asked again
        time.sleep(RESET_S)
        assert store.get(KEY, 1_000) == b"12"


def test_a_store_that_answers_with_errors_is_asked_every_time():
    with scripted_server(error(403, "AccessDenied")) as server:
        store = store_at(server.address, circuit=storage_circuit())
        for _ in range(3):
            with pytest.raises(StorageUnavailable, match="do not permit"):
                store.get(KEY, 1_000)
    assert len(server.requests) == 3


def test_a_store_that_takes_no_parts_is_said_to():
    with scripted_server(Answer(200)) as server:
        said, _ = fails(OPERATIONS["put a stream"], server.address)
    assert "does not support multipart uploads" in said


def test_a_fault_that_passes_is_not_noticed():
    with scripted_server(error(503, "SlowDown"), error(500, "InternalError"), Answer(200, b"12")) as server:
        assert store_at(server.address).get(KEY, 1_000) == b"12"


def test_content_is_sent_without_asking_first():
    with scripted_server(error(503, "SlowDown"), Answer(200, b"", {"ETag": '"e"'})) as server:
        OPERATIONS["put"](store_at(server.address))
    assert [method for method, _ in server.requests] == ["PUT", "PUT"]
    assert not any("Expect" in headers for headers in server.headers)


def test_an_answer_that_breaks_off_is_no_object():
    with scripted_server(Answer(200, b"print(", claimed_bytes=9)) as server:
        said, _ = fails(OPERATIONS["get"], server.address)
    assert "unavailable" in said


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_store_that_redirects_for_ever_is_unavailable(status):
    with scripted_server(Answer(status, b"", {"Location": "/elsewhere"})) as server:
        fails(OPERATIONS["put"], server.address)


def test_more_than_is_announced_is_not_read():
    # Given an answer that is small by its length, and endless by its encoding
    chunk = b"10000\r\n" + b"x" * (64 << 10) + b"\r\n"
    answer = Answer(200, chunk * 64 + b"0\r\n\r\n", {"Transfer-Encoding": "chunked"}, claimed_bytes=5)
    with scripted_server(answer) as server, pytest.raises((StorageUnavailable, Unprocessable)):
        store_at(server.address).get(KEY, 1_000)


def test_an_object_that_is_too_large_is_not_read():
    # Given an object of a terabyte, of which the server sends nothing
    with scripted_server(Answer(200, b"", claimed_bytes=1 << 40)) as server, pytest.raises(Unprocessable):
        # When it is asked for, then it is refused by its size
        store_at(server.address).get(KEY, 1_000)


def test_a_missing_object_is_told_from_a_missing_bucket():
    with scripted_server(error(404, "NoSuchKey")) as server, pytest.raises(NotFound):
        store_at(server.address).get(KEY, 1_000)


@pytest.mark.parametrize(
    "name", ["<Code>AccessDenied</Code>", "<Code>PermanentRedirect</Code>", '"<Code>SlowDown</Code>"']
)
@pytest.mark.parametrize("answer", [error(404, "NoSuchKey"), Answer(404)], ids=["missing", "no bucket"])
def test_a_key_that_reads_like_an_error_changes_no_answer(name, answer):
    # Given a key that a caller made up of what stores answer
    with scripted_server(answer) as server, pytest.raises((NotFound, StorageUnavailable)) as failed:
        store_at(server.address).get(ObjectKey(f"logs/{name}"), 1_000)
    # Then the failure is that of any other key
    with scripted_server(answer) as server, pytest.raises(failed.type) as usual:
        store_at(server.address).get(KEY, 1_000)
    assert str(failed.value).replace(f"logs/{name}", str(KEY)) == str(usual.value)


def test_of_a_large_error_only_the_beginning_is_logged(caplog):
    with scripted_server(Answer(400, b"x" * (1 << 20))) as server:
        fails(OPERATIONS["get"], server.address)
    assert "400 Bad Request" in caplog.text
    assert len(caplog.messages[-1]) < 10_000


def test_a_store_without_credentials_says_so(monkeypatch):
    # Given no credentials anywhere that boto3 looks
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    store = S3ObjectStore(Bucket("bucket", "us-east-1"), 60)
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


def test_one_object_is_removed_by_a_request_of_its_own():
    # Given a store that may not have the request that removes many
    with scripted_server(Answer(204)) as server:
        store_at(server.address).delete(KEY)
    assert server.requests == [("DELETE", f"/bucket/{KEY}")]


def test_credentials_that_were_renewed_are_used(monkeypatch):
    monkeypatch.setattr("adapters.s3.bucket._CREDENTIALS_TTL", timedelta(minutes=1))
    bucket = Bucket("bucket", "us-east-1", access_key_id="the-first", secret_access_key="a-secret")
    store = S3ObjectStore(bucket, 60)
    assert "the-first" in store.url(KEY)
    bucket.session.get_credentials().access_key = "the-second"
    assert eventually(lambda: "the-second" in store.url(KEY))


def test_credentials_that_cannot_be_renewed_are_named_as_the_reason(monkeypatch):
    # Given credentials that a program gives, which fails
    bucket = bucket_at("http://127.0.0.1:1")
    failing = Failing(CredentialRetrievalError(provider="a program", error_msg="host.example is away"))
    monkeypatch.setattr(bucket.session.get_credentials(), "get_frozen_credentials", failing.get)
    store = S3ObjectStore(bucket, 60)
    for operation in (*OPERATIONS.values(), lambda store: store.url(KEY)):
        with pytest.raises(StorageUnavailable, match="no credentials"):
            operation(store)


REGIONS = {
    "in its answer": [
        Answer(400, b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>"),
    ],
    "when it is asked for the bucket": [
        error(301, "PermanentRedirect"),
        Answer(301, b"", {"x-amz-bucket-region": "eu-north-1"}),
        Answer(200, b"", {"x-amz-bucket-region": "eu-north-1"}),
    ],
}


@pytest.mark.parametrize("answers", REGIONS.values(), ids=REGIONS)
@pytest.mark.parametrize("name", ["put", "put a short stream", "get"])
def test_a_bucket_is_used_in_the_region_that_the_store_names(name, answers):
    # Given a bucket that is not in the region of the settings
    with scripted_server(*answers, Answer(200, b"12", {"ETag": '"e"'})) as server:
        store = store_at(server.address)
        # When it is used twice, then the second time at once
        for _ in range(2):
            OPERATIONS[name](store)
    assert len(server.requests) == len(answers) + 2
    assert all("/eu-north-1/s3/" in headers["Authorization"] for headers in server.headers[-2:])


@pytest.mark.parametrize(
    "answer",
    [error(301, "PermanentRedirect"), Answer(301, b"", {"Location": "/elsewhere"}), Answer(302), Answer(307)],
    ids=["another region", "elsewhere", "302", "307"],
)
@pytest.mark.parametrize("name", ["put", "get", "list"])
def test_a_store_that_redirects_every_request_is_unavailable_after_a_few(name, answer):
    with scripted_server(answer) as server:
        fails(OPERATIONS[name], server.address)
        assert len(server.requests) <= 12


@pytest.mark.parametrize(
    "entry",
    [
        "<Size>1</Size>",
        "<Key>a</Key><LastModified>2001-01-01T00:00:00Z</LastModified>",
        "<Key>a</Key><Size>1</Size>",
        "<Key>a</Key><Size>large</Size><LastModified>2001-01-01T00:00:00Z</LastModified>",
        "<Key>a</Key><Size>1</Size><LastModified>soon</LastModified>",
        "<Key>a</Key><Size>1</Size><LastModified>2001-01-01T00:00:00</LastModified>",
        f"<Key>a</Key><Size>1</Size><LastModified>{'9' * 40}</LastModified>",
    ],
    ids=["no key", "no size", "no date", "size", "date", "date without a zone", "seconds"],
)
def test_a_listing_that_cannot_be_read_is_an_outage(entry):
    listing = (
        f"<ListBucketResult><IsTruncated>false</IsTruncated><Contents>{entry}</Contents></ListBucketResult>"
    )
    with scripted_server(Answer(200, listing.encode(), {"Content-Type": "application/xml"})) as server:
        said, _ = fails(OPERATIONS["list"], server.address)
    assert "responds with an error" in said


def test_a_region_that_cannot_be_found_is_named_as_the_reason():
    with scripted_server(error(301, "PermanentRedirect"), Answer(403)) as server:
        said, _ = fails(OPERATIONS["get"], server.address)
    assert "in another region" in said


def test_a_store_is_trusted_if_its_authority_is_in_the_bundle_of_boto3(monkeypatch, tmp_path):
    certificate = self_signed(tmp_path / "certificate.pem")
    with scripted_server(Answer(200, b"12")) as server:
        server.socket = over_tls(server.socket, certificate)
        address = server.address.replace("http:", "https:")
        # Given a store whose authority is unknown
        with pytest.raises(StorageUnavailable, match="cannot be reached: its certificate is refused"):
            store_at(address).get(KEY, 1_000)
        with pytest.raises(StorageUnavailable, match="cannot be reached: its certificate is refused"):
            OPERATIONS["list"](store_at(address))
        # When it is in the bundle that boto3 is given, then the store is used
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        assert store_at(address).get(KEY, 1_000) == b"12"
