"""Callers who send too much or too slowly cost little, and are refused with a reason."""

import json
import resource
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from datetime import timedelta
from threading import Event

import httpx
import pytest

from entrypoints.http import concurrency, json_request, protocol
from entrypoints.http.concurrency import StorageThreads
from tests.http.support import Service, assert_problem, poll, serving
from tests.support.loop_thread import run_apart
from tests.support.processes import PATIENCE_S, eventually
from tests.support.raw_http import answer, connect
from tests.support.scripted_engine import echo
from tests.support.streams import open_streams

UPLOAD = b"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
HOST = b"Host: localhost\r\n\r\n"
LARGE = {"project": "p", "code": "x" * 70_000, "language": "python"}
LARGEST = 4 << 20
# Hundreds of times what it takes, and a fraction of what it would if it grew with the square of the size.
LINEAR = timedelta(seconds=20)
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/jobs?" + b"a=b&" * 16_384 + b" HTTP/1.1\r\n",
        b"GET /api/jobs HTTP/1.1\r\nX: " + b"a" * 65_536 + b"\r\n",
        b"GET /api/jobs HTTP/1.1\r\n" + b"X: a\r\n" * 200,
        b"GET /api/jobs HTTP/1.1\r\n" + b"X: %s\r\n" % (b"a" * 999) * 70,
    ],
    ids=["a URL", "a header", "many headers", "much in all"],
)
def test_a_head_that_is_too_large_is_refused(service: Service, head: bytes):
    with connect(service.http.base_url) as connection:
        connection.sendall(head)

        assert_problem(answer(connection), 431)


@pytest.mark.parametrize(
    "begin",
    [
        b"GET /api/jobs HTTP/1.1\r\nX: ",
        UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        UPLOAD + b"Transfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["header", "trailer", "chunk"],
)
def test_an_endless_line_is_cut_short(service: Service, begin: bytes):
    with connect(service.http.base_url) as connection:
        connection.sendall(begin)

        with pytest.raises(ConnectionError):
            connection.sendall(b"a" * (100 << 20))


def test_a_large_head_that_is_allowed_is_taken(service: Service):
    assert service.http.get("/api/jobs", headers={"x-note": "a" * 60_000}).status_code == 200


@pytest.mark.parametrize("cookie", ["a=b; ", "\\", "\\101", ";", "="], ids=ascii)
def test_a_large_cookie_is_read_in_no_time(service: Service, cookie: str):
    value = 'service_server_csrf="' + (cookie * 60_000)[:60_000] + '"'

    answered = service.http.get("/dashboard", headers={"cookie": value})

    assert answered.status_code == 200
    assert answered.elapsed < LINEAR


@pytest.mark.parametrize(
    "body",
    [b"[" * LARGEST, b"9" * LARGEST, b'"' + b"\\\\" * (LARGEST // 2 - 1) + b'"', b'{"a":' * (LARGEST // 5)],
    ids=["brackets", "digits", "escapes", "objects"],
)
def test_a_large_body_is_read_in_little_time(service: Service, body: bytes):
    answered = service.http.post("/api/upload", content=body, headers=JSON)

    assert_problem(answered, 422)
    assert answered.elapsed < LINEAR


@pytest.mark.parametrize(
    "begin",
    [b"GET /api/jobs HTT", UPLOAD + b"Content-Length: 9\r\n\r\n{", b"\r\n"],
    ids=["head", "body", "nothing"],
)
def test_a_request_that_stands_still_is_ended(
    service: Service, begin: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(protocol, "_PERIOD_S", 0.2)
    with connect(service.http.base_url) as connection:
        connection.sendall(begin)

        assert_problem(answer(connection), 408)


def test_a_wait_is_not_ended_by_what_comes_after_its_request(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(protocol, "_PERIOD_S", 0.1)
    job_id = service.upload()["job_id"]
    with connect(service.http.base_url) as connection:
        path = f"/api/jobs/{job_id}/status?wait=0.5"
        connection.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
        connection.sendall(b"GET / HT")

        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "request_line", [b"CONNECT x:1 HTTP/1.1", b"GET http:///x HTTP/1.1", b"GET x HTTP/1.1", b"GET / HTTP/9"]
)
def test_what_is_no_request_for_a_server_is_answered_and_not_logged_as_a_fault(
    service: Service, caplog: pytest.LogCaptureFixture, request_line: bytes
):
    with connect(service.http.base_url) as connection:
        connection.sendall(request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")

        assert answer(connection).is_client_error

    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("name", ["%00", "x" * 300, "..%2f..%2fapi_page.py", ""])
def test_a_file_that_cannot_be_is_not_looked_for(service: Service, name: str):
    assert_problem(service.http.get(f"/docs/static/{name}"), 404)


@pytest.fixture
def other_address(service: Service) -> Iterator[httpx.Client]:
    """A client at another address than everybody else's."""
    with client_at("127.0.0.2", service) as http:
        yield http


def client_at(address: str, service: Service) -> httpx.Client:
    return httpx.Client(base_url=service.http.base_url, transport=httpx.HTTPTransport(local_address=address))


def begin_upload(
    service: Service, sent: int, framing: bytes = b"Content-Length: 1000000\r\n"
) -> socket.socket:
    """Begin to send a large body, and do not go on."""
    connection = connect(service.http.base_url)
    body = b"{" + b" " * (sent - 1)
    if b"chunked" in framing:
        body = b"%x\r\n%s\r\n" % (len(body), body)
    connection.sendall(UPLOAD + framing + b"Connection: close\r\n\r\n" + body)
    return connection


@pytest.mark.parametrize("framing", [b"Content-Length: 1000000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_slow_uploads_refuse_no_other(service: Service, framing: bytes):
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(begin_upload(service, 1_300, framing))

        assert service.http.post("/api/upload", json=LARGE).status_code == 200
        pieces = (piece.encode() for piece in json.dumps(LARGE))
        in_chunks = service.http.post("/api/upload", content=pieces, headers=JSON)
        assert in_chunks.status_code == 200


_FIELDS = b'--x\r\nContent-Disposition: form-data; name="job"\r\n\r\n{"project": "p", "language": "python"'
_END = b"\r\n--x--\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "multipart/form-data"}, b"", 422),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nnone", 422),
        ({"Content-Type": "multipart/form-data; boundary=x"}, _FIELDS + _END, 422),
        ({"Content-Type": "multipart/form-data; boundary=x"}, _FIELDS + b', "code": 1}' + _END, 422),
        ({"Content-Type": "multipart/form-data; boundary=x"}, _FIELDS + b', "code": ""}' + _END, 200),
    ],
)
def test_an_upload_gives_back_the_space_that_it_announced(service: Service, headers, body, status: int):
    for _ in range(16):  # without a length, the most is reserved for each
        response = service.http.post("/api/upload", content=iter([body]), headers=headers)
        assert response.status_code == status, response.text


def test_one_address_has_not_all_places_for_large_bodies(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(concurrency, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(json_request, "_GRACE_S", 60)
    with serving(tmp_path, max_large_bodies=4) as service, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(begin_upload(service, 70_000))
        assert eventually(lambda: service.http.post("/api/upload", json=LARGE).status_code == 503)

        with client_at("127.0.0.2", service) as http:
            assert http.post("/api/upload", json=LARGE).status_code == 200


def test_only_so_many_large_bodies_are_received_at_once(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(concurrency, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(json_request, "_GRACE_S", 60)
    with serving(tmp_path, address_share_percent=100) as service, ExitStack() as stack:
        # Given callers who begin to send much and do not go on
        for _ in range(16):
            stack.enter_context(begin_upload(service, 70_000))
        assert eventually(lambda: service.http.post("/api/upload", json=LARGE).status_code == 503)

        # When others come with much and with little
        refused = service.http.post("/api/upload", json=LARGE)

        # Then those with little are served
        assert_problem(refused, 503)
        assert refused.headers["retry-after"]
        assert service.upload()["status"] == "PENDING"


def test_a_large_body_that_does_not_come_in_time_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_request, "_GRACE_S", 0.1)
    with begin_upload(service, 70_000) as connection:
        refused = answer(connection)

    assert "SERVICE_SERVER_MIN_UPLOAD_BYTES_PER_S" in assert_problem(refused, 408)["detail"]


def test_connections_over_the_limit_are_told_to_come_back(tmp_path):
    with serving(tmp_path) as service:
        # Given as many connections as there may be, whose requests are being answered
        job_id = service.upload()["job_id"]
        service.http.close()
        poll(lambda: not service.server.server_state.connections)
        service.server.config.limit_concurrency = 1
        with connect(service.http.base_url) as first:
            first.sendall(b"GET /api/jobs/%s/status?wait=9 HTTP/1.1\r\n%s" % (job_id.encode(), HOST))
            poll(lambda: service.notifier.capacity.used)

            # When one more comes
            with connect(service.http.base_url) as second:
                response = answer(second)

    assert_problem(response, 503)
    assert response.headers["retry-after"]


@pytest.mark.parametrize(
    "begin", [b"", b"GET /api/jobs HTTP/1.1\r\nX: ", UPLOAD + b"Content-Length: 9\r\n\r\n{"]
)
def test_a_connection_that_does_not_go_on_gives_way_to_a_new_one(tmp_path, begin: bytes):
    with serving(tmp_path) as service, ExitStack() as stack:
        connections = service.server.server_state.connections
        service.server.config.limit_concurrency = 2
        waiting = [stack.enter_context(connect(service.http.base_url)) for _ in range(2)]
        for connection in waiting:
            connection.sendall(begin)
        poll(lambda: len(connections) == 2 and all(one.is_receiving for one in connections) is bool(begin))

        assert service.http.get("/api/health").status_code == 200
        gone = b"".join(iter(lambda: waiting[0].recv(65_536), b""))

    assert not begin or gone.startswith(b"HTTP/1.1 503 ")


def test_a_caller_who_takes_nothing_is_hung_up_on_however_little_is_left(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    # Given an answer of which most stays here, and too little for the buffer to count as full
    monkeypatch.setattr(protocol, "_TAKE_WITHIN_S", 0.1)
    connections = service.server.server_state.connections
    before = set(connections)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 10)
        connection.connect((service.http.base_url.host, service.http.base_url.port))
        (server_side,) = poll(lambda: connections - before)
        server_side.transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 10
        )

        # When it is not taken
        connection.sendall(b"GET /docs/static/LICENSE HTTP/1.1\r\nConnection: close\r\n" + HOST)
        assert eventually(lambda: server_side.transport.get_write_buffer_size() > 0)
        assert not server_side.flow.write_paused

        # Then the connection ends all the same
        assert eventually(lambda: server_side not in connections)


def test_streams_and_waits_over_the_limit_are_told_to_come_back(tmp_path):
    with serving(tmp_path, max_streams=2, address_share_percent=100) as service:
        job_id = service.upload()["job_id"]
        base = f"/api/jobs/{job_id}"
        with open_streams(str(service.http.base_url), [f"{base}/output", f"{base}/events"]):
            poll(lambda: service.notifier.capacity.used == 2)
            for path in (f"{base}/output", f"{base}/events", f"{base}/status?wait=9"):
                response = service.http.get(path)
                assert_problem(response, 503)
                assert response.headers["retry-after"]
            assert service.http.get(f"{base}/status").status_code == 200
            started = service.http.post(f"/api/execute/{job_id}", params={"wait": 9})
            assert started.status_code == 200
        assert eventually(lambda: service.http.get(f"{base}/status?wait=1").status_code == 200)


def test_streams_leave_connections_for_others(tmp_path):
    files, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (656, hard))
    try:
        with serving(tmp_path, max_streams=1_000) as service:
            assert service.server.config.limit_concurrency == 400
            assert service.notifier.capacity.total == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def test_one_address_has_not_all_streams(tmp_path):
    with serving(tmp_path, max_streams=4, trusted_proxies=("127.0.0.2",)) as service:
        path = f"/api/jobs/{service.upload()['job_id']}/output"
        with open_streams(str(service.http.base_url), [path] * 2), client_at("127.0.0.2", service) as proxy:
            poll(lambda: service.notifier.capacity.used == 2)

            # Then that address is refused, whatever it says of itself, and others are not
            assert_problem(service.http.get(path, headers={"x-forwarded-for": "10.0.0.1"}), 503)
            with proxy.stream("GET", path, headers={"x-forwarded-for": "10.0.0.1"}) as other:
                assert other.status_code == 200
            refused = proxy.get(path, headers={"x-forwarded-for": "10.0.0.1, 127.0.0.1"})
            assert_problem(refused, 503)


def test_one_address_does_not_keep_others_from_reading_logs(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(concurrency, "_PATIENCE_S", 0.05)
    with serving(tmp_path) as service, ThreadPoolExecutor(3) as pool, ExitStack() as stack:
        # Given an address that reads a log from a slow store, as often as it can
        service.engine.program = echo
        slow, other = (service.run(stdin=stdin)["log_key"] for stdin in ("slow", "other"))
        store, is_read = service.container.log_store(), Event()
        stack.callback(is_read.set)
        get = store.get

        def slowly(key, max_bytes):
            if key.value == slow:
                is_read.wait(PATIENCE_S)
            return get(key, max_bytes)

        monkeypatch.setattr(store, "get", slowly)
        asked = [pool.submit(service.http.get, "/api/log", params={"log_key": slow}) for _ in range(3)]
        refused = next(as_completed(asked)).result()
        assert_problem(refused, 503)

        # Then another address reads its log
        with client_at("127.0.0.2", service) as http:
            assert http.get("/api/log", params={"log_key": other}).status_code == 200


def test_only_so_many_logs_are_read_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(concurrency, "_PATIENCE_S", 0.05)
    none = concurrency.StorageLimiter(StorageThreads(1), 0, "other logs are being read")

    with pytest.raises(concurrency.Overloaded, match="other logs are being read; try again in 5 s"):
        run_apart(none.run(time.time))
