"""Faults of an S3 store: an error that names the cause, soon, and no more than that."""

import io
import socket
import time
from datetime import timedelta
from itertools import pairwise

import pytest

from adapters.common.circuit_breaker import RESET_S
from adapters.s3.buckets import open_bucket
from adapters.s3.client import build_client, open_session
from adapters.s3.errors import storage_circuit
from adapters.s3.shortcut import FIRST_REST_S, SMALL_BYTES
from application.errors import NotFound, StorageUnavailable, Unprocessable
from domain.values import ObjectKey
from tests.support.processes import eventually
from tests.support.scripted_http import Answer, scripted_server

KEY = ObjectKey("project/code.py")
READ_TIMEOUT_S = 0.3


def error(status, code):
    body = f"<Error><Code>{code}</Code><Message>bucket.internal.example said no</Message></Error>"
    return Answer(status, body.encode(), {"Content-Type": "application/xml"})


def store_at(address, attempts=3, circuit=None):
    session = open_session("us-east-1", access_key_id="a-known-id", secret_access_key="a-secret")
    client = build_client(
        session,
        endpoint_url=address,
        connect_timeout_s=READ_TIMEOUT_S,
        read_timeout_s=READ_TIMEOUT_S,
        attempts=attempts,
    )
    return open_bucket(session, client, "bucket", 60, circuit)


def asked_by_boto3(server):
    """Return of each request whether it was boto3 that sent it, and not the shortcut."""
    return ["amz-sdk-invocation-id" in headers for headers in server.headers]


OPERATIONS = {
    "put a short stream": lambda store: store.put(KEY, io.BytesIO(b"print(1)"), "text/plain"),
    "add": lambda store: store.add(KEY, b"{}", "application/json"),
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


def test_after_a_store_did_not_answer_calls_are_refused_for_a_moment_and_then_it_is_used_again():
    with scripted_server(Answer(is_withheld=True), Answer(is_withheld=True), Answer(200, b"12")) as server:
        store = store_at(server.address, attempts=2, circuit=storage_circuit())
        # Given a store that has not answered
        with pytest.raises(StorageUnavailable):
            store.check()
        # When it is asked again at once
        begin = time.monotonic()
        with pytest.raises(StorageUnavailable, match="did not answer a moment ago"):
            store.get(KEY, 1_000)
        # Then it is spared that, and its caller the wait
        assert time.monotonic() - begin < 0.1
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
    # By either way each time: what is forbidden may only not be there.
    assert asked_by_boto3(server) == [False, True] * 3


def test_what_was_added_although_the_answer_was_lost_is_met_again():
    # Given a store that stores an object and does not say so
    with scripted_server(Answer(is_withheld=True), error(412, "PreconditionFailed")) as server:
        # When it is asked once more, then it says that there is one
        assert not store_at(server.address).add(KEY, b"{}", "application/json")
    assert len(server.requests) == 2


def test_a_store_that_takes_no_parts_is_said_to():
    with scripted_server(Answer(200)) as server:
        said, _ = fails(OPERATIONS["put a stream"], server.address)
    assert "in parts" in said


def test_an_object_that_another_request_is_adding_is_not_taken_for_stored():
    with scripted_server(error(409, "ConditionalRequestConflict")) as server:
        said, _ = fails(lambda store: store.add(KEY, b"{}", "application/json"), server.address)
    assert "another request" in said


def test_a_fault_that_passes_is_not_noticed():
    with scripted_server(error(503, "SlowDown"), error(500, "InternalError"), Answer(200, b"12")) as server:
        assert store_at(server.address).get(KEY, 1_000) == b"12"


def test_small_content_is_sent_without_asking_first():
    with scripted_server(error(503, "SlowDown"), Answer(200)) as server:
        OPERATIONS["put"](store_at(server.address))
    assert asked_by_boto3(server) == [False, True]
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


def test_a_store_without_credentials_says_so(monkeypatch):
    # Given no credentials anywhere that boto3 looks
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    session = open_session("us-east-1")
    store = open_bucket(session, build_client(session), "bucket", 60)
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


@pytest.mark.parametrize("name", ["put", "put a short stream", "add", "get"])
def test_what_goes_well_takes_the_shortcut(name):
    with scripted_server(Answer(200, b"12", {"ETag": '"e"'})) as server:
        for _ in range(3):
            OPERATIONS[name](store_at(server.address))
    assert asked_by_boto3(server) == [False] * 3


@pytest.mark.parametrize("name", ["put a stream", "delete", "check"])
def test_what_is_large_or_rare_is_boto3_s(name):
    with scripted_server(Answer(403)) as server:
        fails(OPERATIONS[name], server.address)
    assert asked_by_boto3(server) == [True]


def test_an_object_that_is_not_there_says_nothing_against_the_shortcut():
    with scripted_server(error(404, "NoSuchKey"), error(404, "NoSuchKey"), Answer(200, b"12")) as server:
        store = store_at(server.address)
        with pytest.raises(NotFound):
            store.get(KEY, 1_000)
        assert store.get(KEY, 1_000) == b"12"
    assert asked_by_boto3(server) == [False, True, False]


def test_the_shortcut_rests_after_a_failure_and_comes_back_and_signs_all_the_while():
    # Given a store that has failed once
    with scripted_server(error(503, "SlowDown"), Answer(200, b"12")) as server:
        shortcut = store_at(server.address)._shortcut
        assert shortcut.get("key", 1_000) is None
        # When it is asked at once, then boto3 is left to do it
        assert shortcut.get("key", 1_000) is None
        assert len(server.requests) == 1
        # But for signing, which asks nobody and proves nothing
        assert shortcut.sign("key", 60) is not None
        assert shortcut.get("key", 1_000) is None
        # And a moment later it is taken again
        time.sleep(FIRST_REST_S)
        assert shortcut.get("key", 1_000) == b"12"
        assert shortcut.get("key", 1_000) == b"12"


def test_the_shortcut_rests_longer_the_more_often_it_fails_and_one_caller_finds_out(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr("adapters.s3.shortcut.monotonic", lambda: now[0])
    with scripted_server(error(500, "InternalError")) as server:
        shortcut = store_at(server.address)._shortcut
        asked_at = []
        for _ in range(3_000):
            before = len(server.requests)
            shortcut.get("key", 1_000)
            if len(server.requests) > before:
                asked_at.append(now[0])
            now[0] += 0.1
    pauses = [round(after - before) for before, after in pairwise(asked_at)]
    assert pauses[:8] == [1, 2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize("size", [SMALL_BYTES, SMALL_BYTES + 1])
def test_what_is_larger_is_left_to_boto3(size):
    is_large = size > SMALL_BYTES
    read = [Answer(200, b"x" * size)] * (2 if is_large else 1)
    with scripted_server(*read, Answer(200, b"", {"ETag": '"e"'})) as server:
        store = store_at(server.address)
        assert store.get(KEY, 10 * SMALL_BYTES) == b"x" * size
        store.put(KEY, b"x" * size, "text/plain")
    assert asked_by_boto3(server) == ([False, True, True] if is_large else [False, False])


def test_credentials_that_were_renewed_are_used(monkeypatch):
    monkeypatch.setattr("adapters.s3.shortcut._CREDENTIALS_KEPT", timedelta(minutes=1))
    session = open_session("us-east-1", access_key_id="the-first", secret_access_key="a-secret")
    shortcut = open_bucket(session, build_client(session), "bucket", 60)._shortcut
    assert "the-first" in shortcut.sign("key", 60)
    session.get_credentials().access_key = "the-second"
    assert eventually(lambda: "the-second" in shortcut.sign("key", 60))


def test_an_object_that_was_added_meanwhile_is_told_by_boto3_from_one_that_is_being_added():
    answers = [error(409, "ConditionalRequestConflict"), error(412, "PreconditionFailed")]
    with scripted_server(*answers) as server:
        assert not store_at(server.address).add(KEY, b"{}", "application/json")
    assert asked_by_boto3(server) == [False, True]
