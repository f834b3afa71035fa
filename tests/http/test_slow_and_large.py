"""Callers who send too much or too slowly cost little, and are told why they are sent away."""

import time
from contextlib import ExitStack

import pytest

from entrypoints.http import json_request, protocol
from entrypoints.http.live import places
from entrypoints.http.live.storage_threads import StorageThreads
from tests.http.support import Service, assert_problem, poll, serving
from tests.support.processes import eventually
from tests.support.raw_http import answer, connect
from tests.support.run_apart import run_apart
from tests.support.streams import open_streams

UPLOAD = b"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


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


def test_only_so_many_large_bodies_are_received_at_once(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places, "_PATIENCE_S", 0.05)
    with serving(tmp_path) as service, ExitStack() as stack:
        # Given callers who begin to send much and do not go on
        for _ in range(16):
            connection = stack.enter_context(connect(service.http.base_url))
            connection.sendall(UPLOAD + b"Content-Length: 1000000\r\n\r\n{")
        held = service.server.config.app.state.body_places._places
        assert eventually(held.locked)

        # When others come with much and with little
        refused = service.http.post(
            "/api/upload", json={"project": "p", "code": "x" * 70_000, "language": "python"}
        )

        # Then those with little are served
        assert_problem(refused, 503)
        assert refused.headers["retry-after"]
        assert service.upload()["status"] == "PENDING"


def test_a_large_body_that_does_not_come_in_time_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(json_request, "_LARGE_WITHIN_S", 0.1)
    with connect(service.http.base_url) as connection:
        connection.sendall(UPLOAD + b"Content-Length: 1000000\r\nConnection: close\r\n\r\n{")

        assert_problem(answer(connection), 408)


def test_connections_over_the_limit_are_told_to_come_back(tmp_path):
    with serving(tmp_path) as service:
        service.server.config.limit_concurrency = 1 + len(service.server.server_state.connections)
        with connect(service.http.base_url), connect(service.http.base_url) as second:
            response = answer(second)

    assert_problem(response, 503)
    assert response.headers["retry-after"]


def test_streams_and_waits_over_the_limit_are_told_to_come_back(tmp_path):
    with serving(tmp_path, max_streams=2) as service:
        job_id = service.upload()["job_id"]
        base = f"/api/jobs/{job_id}"
        with open_streams(str(service.http.base_url), [f"{base}/output", f"{base}/events"]):
            poll(lambda: service.server._signals._listeners == 2)
            for path in (f"{base}/output", f"{base}/events", f"{base}/status?wait=9"):
                response = service.http.get(path)
                assert_problem(response, 503)
                assert response.headers["retry-after"]
            assert service.http.get(f"{base}/status").status_code == 200
            started = service.http.post(f"/api/execute/{job_id}", params={"wait": 9})
            assert started.status_code == 200
        assert eventually(lambda: service.http.get(f"{base}/status?wait=1").status_code == 200)


def test_only_so_many_logs_are_read_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places, "_PATIENCE_S", 0.05)
    none = places.StoragePlaces(StorageThreads(1), 0, "other logs are being read")

    with pytest.raises(places.NoPlace, match="other logs are being read; try again in 5 s"):
        run_apart(none.run(time.time))
