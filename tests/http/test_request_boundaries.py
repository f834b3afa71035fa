"""Where one request ends and the next begins is read as everybody else reads it, or not at all."""

import logging
import socket
from collections.abc import Callable

import httpx
import pytest

from entrypoints.http.protocol import GuardedProtocol
from tests.http.support import Service, assert_problem, poll
from tests.support.raw_http import answer, answers, connect

HOST = b"Host: localhost\r\n"
LAST = b"GET /api/health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
POST = b"POST /api/project HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
HIDDEN = b"GET /api/projects HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def with_length(body: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length: %d\r\n\r\n" % len(body), body


def chunked(body: bytes) -> tuple[bytes, bytes]:
    return CHUNKED + b"\r\n", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


@pytest.fixture
def connection(service: Service):
    with connect(service.http.base_url) as connection:
        yield connection


def heard_of(service: Service, connection: socket.socket) -> GuardedProtocol:
    """Return the protocol of a connection, once it has the head of a request."""
    address = connection.getsockname()

    def find() -> GuardedProtocol | None:
        mine = [one for one in service.server.server_state.connections if one.client == address]
        return next((one for one in mine if one.headers), None)

    return poll(find)


def statuses(found: list[httpx.Response]) -> list[int]:
    return [response.status_code for response in found]


@pytest.mark.parametrize("framed", [with_length, chunked])
@pytest.mark.parametrize(
    "offer",
    [
        b"Connection: Upgrade\r\nUpgrade: anything\r\n",
        b"Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n",
    ],
    ids=["anything", "websocket", "h2c"],
)
@pytest.mark.parametrize("in_one_packet", [True, False])
def test_the_body_of_a_request_that_offers_to_upgrade_is_its_body(
    service: Service,
    connection: socket.socket,
    offer: bytes,
    framed: Callable[[bytes], tuple[bytes, bytes]],
    in_one_packet: bool,  # noqa: FBT001 - a case
):
    head, body = framed(HIDDEN)
    if in_one_packet:
        connection.sendall(POST + offer + head + body + LAST)
    else:
        connection.sendall(POST + offer + head)
        heard_of(service, connection)
        connection.sendall(body + LAST)

    refused, last = answers(connection)

    assert "JSON is malformed" in assert_problem(refused, 422)["detail"]
    assert last.status_code == 200
    assert "status" in last.json()


def test_each_of_many_offers_is_ignored(connection: socket.socket):
    offer = b"GET /api/health HTTP/1.1\r\n" + HOST + b"Connection: Upgrade\r\nUpgrade: x\r\n\r\n"
    connection.sendall(offer * 50 + LAST)

    assert statuses(answers(connection)) == [200] * 51


@pytest.mark.parametrize(
    "field",
    [b"Host: evil.example", b"Content-Type: application/json", b"X-Request-ID: trailing", b"Origin: null"],
)
def test_trailers_are_no_headers(connection: socket.socket, field: bytes):
    head = b"POST /api/project HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n"
    connection.sendall(head + b'17\r\n{"project_name": "t_t"}\r\n0\r\n' + field + b"\r\n\r\n" + LAST)

    refused, last = answers(connection)

    assert "send the body as JSON" in assert_problem(refused, 415)["detail"]
    assert refused.headers["x-request-id"] != "trailing"
    assert last.status_code == 200


# Names, so that the cases can be told apart, heads up to their empty line, and the status of the refusal.
AMBIGUOUS = [
    ("both lengths", POST + b"Content-Length: 6\r\n" + CHUNKED, 400),
    ("both lengths, turned", POST + CHUNKED + b"Content-Length: 6\r\n", 400),
    ("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n", 400),
    ("one length twice", POST + b"Content-Length: 2\r\nContent-Length: 2\r\n", 400),
    ("a list of lengths", POST + b"Content-Length: 2, 2\r\n", 400),
    ("a signed length", POST + b"Content-Length: +2\r\n", 400),
    ("a negative length", POST + b"Content-Length: -2\r\n", 400),
    ("a hexadecimal length", POST + b"Content-Length: 0x2\r\n", 400),
    ("a length with digits apart", POST + b"Content-Length: 2 2\r\n", 400),
    ("an underscored length", POST + b"Content-Length: 1_0\r\n", 400),
    ("no length", POST + b"Content-Length:\r\n", 400),
    ("a length that overflows", POST + b"Content-Length: 18446744073709551618\r\n", 400),
    ("chunked not last", POST + b"Transfer-Encoding: chunked, identity\r\n", 400),
    ("identity", POST + b"Transfer-Encoding: identity\r\n", 501),
    ("identity, chunked", POST + b"Transfer-Encoding: identity, chunked\r\n", 501),
    ("gzip, chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n", 501),
    ("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n", 400),
    ("chunked in two fields", POST + CHUNKED + CHUNKED, 400),
    ("chunked, then identity", POST + CHUNKED + b"Transfer-Encoding: identity\r\n", 400),
    ("identity, then chunked", POST + b"Transfer-Encoding: identity\r\n" + CHUNKED, 501),
    ("an unknown coding", POST + b"Transfer-Encoding: xchunked\r\n", 501),
    ("a quoted coding", POST + b'Transfer-Encoding: "chunked"\r\n', 501),
    ("a coding's parameter", POST + b"Transfer-Encoding: chunked;q=1\r\n", 501),
    ("a vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n", 400),
    ("no coding", POST + b"Transfer-Encoding:\r\n", 400),
    ("a coding in HTTP/1.0", POST.replace(b"1.1", b"1.0") + CHUNKED, 400),
    ("a bare line feed", POST + b"X: a\nContent-Length: 0\r\n", 400),
    ("bare line feeds", b"GET /api/health HTTP/1.1\nHost: localhost\n", 400),
    ("a bare carriage return", POST + b"X: a\rContent-Length: 0\r\n", 400),
    ("a blank before the colon", POST + b"Content-Length : 2\r\n", 400),
    ("a tab before the colon", POST + b"Transfer-Encoding\t: chunked\r\n", 400),
    ("a folded line", POST + b"X: a\r\n b\r\n", 400),
    ("a folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n", 400),
    ("a line without a colon", POST + b"X\r\n", 400),
    ("a field without a name", POST + b": a\r\n", 400),
    ("NUL in a value", POST + b"X: a\0b\r\n", 400),
    ("no host", b"GET /api/health HTTP/1.1\r\n", 400),
    ("two hosts", b"GET /api/health HTTP/1.1\r\n" + HOST + HOST, 400),
    ("two hosts for health", b"GET /health/live HTTP/1.1\r\n" + HOST + b"Host: evil.example\r\n", 400),
    ("another host in the target", b"GET http://evil.example/api/health HTTP/1.1\r\n" + HOST, 400),
    ("a user in the target", b"GET http://localhost@evil.example/ HTTP/1.1\r\n" + HOST, 400),
    ("another scheme", b"GET ftp://localhost/api/health HTTP/1.1\r\n" + HOST, 400),
    ("a fragment", b"GET /api/health#x HTTP/1.1\r\n" + HOST, 400),
    ("a fragment of a query", b"GET /api/health?a#x HTTP/1.1\r\n" + HOST, 400),
    ("a tunnel", b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST, 400),
    ("a tunnel with a body", b"CONNECT / HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n", 400),
    ("HTTP/0.9", b"GET /api/health\r\n", 505),
    ("HTTP/1.2", b"GET /api/health HTTP/1.2\r\n" + HOST, 400),
    ("HTTP/2.0", b"GET /api/health HTTP/2.0\r\n" + HOST, 505),
    ("HTTP/2 by prior knowledge", b"PRI * HTTP/2.0\r\n", 400),
]


@pytest.mark.parametrize(
    ("head", "status"), [case[1:] for case in AMBIGUOUS], ids=[case[0] for case in AMBIGUOUS]
)
def test_a_head_with_two_readings_is_refused_and_nothing_after_it_is_read(
    connection: socket.socket, head: bytes, status: int
):
    connection.sendall(head + b"\r\n" + b"2\r\n{}\r\n0\r\n\r\n" + LAST)

    refused = answer(connection)

    assert_problem(refused, status)
    assert refused.headers["connection"] == "close"


@pytest.mark.parametrize(
    "body",
    [
        *(b"0x2\r\n{}\r\n", b"+2\r\n{}\r\n", b"-2\r\n{}\r\n", b"2 \r\n{}\r\n", b"\r\n{}\r\n", b"g\r\n{}\r\n"),
        *(
            b"10000000000000002\r\n{}\r\n",
            b"2\n{}\r\n",
            b"2\r\n{}\n",
            b"2\r\n{}XX",
            b"2;a\n{}\r\n",
            b"2;a\rb\r\n{}\r\n",
        ),
        *(b"2\r\n{}\r\n0\r\nContent-Length: 5\r\n\r\n", b"2\r\n{}\r\n0\r\n" + CHUNKED + b"\r\n"),
    ],
)
def test_a_chunk_with_two_readings_is_refused_and_nothing_after_it_is_read(
    connection: socket.socket, body: bytes
):
    connection.sendall(POST + CHUNKED + b"\r\n" + body + b"0\r\n\r\n" + LAST)

    assert_problem(answer(connection), 400)


@pytest.mark.parametrize("size", [b"2", b"0002", b"2;a=b", b'2;a="b"'])
def test_a_chunk_is_read_up_to_its_end(connection: socket.socket, size: bytes):
    connection.sendall(POST + CHUNKED + b"\r\n" + size + b"\r\n{}\r\n0\r\n\r\n" + LAST)

    assert statuses(answers(connection)) == [422, 200]


def test_a_body_is_read_whatever_the_method(connection: socket.socket):
    connection.sendall(b"GET /api/health HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % len(HIDDEN))
    connection.sendall(HIDDEN + LAST)

    assert statuses(answers(connection)) == [200, 200]


@pytest.mark.parametrize("target", [b"http://LocalHost/api/health", b"HTTP://localhost/api/health?x"])
def test_a_target_that_names_the_host_is_taken(connection: socket.socket, target: bytes):
    connection.sendall(b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")

    assert answer(connection).status_code == 200


def test_a_body_that_was_not_asked_for_is_not_taken_for_a_request(connection: socket.socket):
    head = b"POST /api/nothing HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\n"
    connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(HIDDEN))

    refused = answer(connection)

    assert_problem(refused, 404)
    assert refused.headers["connection"] == "close"


def test_a_body_that_was_asked_for_is_followed_by_the_next_request(connection: socket.socket):
    connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"{}" + LAST)

    assert statuses(answers(connection)) == [422, 200]


def test_nothing_is_read_after_the_last_request(connection: socket.socket):
    connection.sendall(LAST + HIDDEN)

    assert answer(connection).status_code == 200


def test_a_chunk_that_is_none_is_no_answer_to_the_request_before(service: Service, connection: socket.socket):
    job_id = service.upload()["job_id"]
    waiting = f"GET /api/status/{job_id}?wait=1 HTTP/1.1\r\n".encode() + HOST + b"\r\n"

    connection.sendall(waiting + POST + CHUNKED + b"\r\nnone\r\n" + HIDDEN)

    assert answer(connection).json()["status"] == "PENDING"


def test_so_many_requests_wait_on_a_connection_and_the_rest_is_not_read(
    connection: socket.socket, caplog: pytest.LogCaptureFixture
):
    request = LAST.replace(b"Connection: close\r\n", b"")
    with caplog.at_level(logging.INFO, "service_server.http.access"):
        connection.sendall(request * 1_000)
        found = answers(connection)

    assert set(statuses(found)) == {200}
    assert len(found) < 1_000
    assert found[-1].headers["connection"] == "close"
    assert "requests wait on this connection" in caplog.text


def test_who_leaves_with_requests_waiting_leaves_no_fault_in_the_log(
    service: Service, caplog: pytest.LogCaptureFixture
):
    job_id = service.upload()["job_id"]
    stream = f"GET /api/jobs/{job_id}/events HTTP/1.1\r\n".encode() + HOST + b"\r\n"
    with connect(service.http.base_url) as connection:
        connection.sendall(stream + HIDDEN * 3)
        poll(lambda: service.notifier.capacity.used == 1)
    poll(lambda: service.notifier.capacity.used == 0)

    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("rest", [b"\xed\x95\x9c", b"X" * 70_000, b"GET / HTTP/3.0\r\n\r\n"])
def test_a_request_is_answered_though_what_follows_is_none(connection: socket.socket, rest: bytes):
    # As of a client that counts the characters of its body, and not the bytes
    connection.sendall(POST + b"Content-Length: 2\r\n\r\n{}" + rest + HIDDEN)

    assert answer(connection).status_code == 422


@pytest.mark.parametrize(
    "path",
    [
        *(b"//api/health", b"/api//health", b"/api/health//", b"//", b"http://localhost//api/health"),
        *(b"/api%2fhealth", b"/api%2Fhealth", b"/%61pi/health", b"/api/he%61lth", b"/api/%68ealth"),
        *(
            b"/api/./health",
            b"/api/x/../health",
            b"/api/%2e/health",
            b"/api/x/%2e%2e/health",
            b"/api/health/.",
        ),
        *(
            b"/api\\health",
            b"/api%5chealth",
            b"/api/health%00",
            b"/api/health%",
            b"/api/health%2",
            b"/api%zz/health",
        ),
    ],
)
def test_a_path_has_one_form(connection: socket.socket, path: bytes):
    connection.sendall(b"GET " + path + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n")

    assert "paths have no empty or dot segments" in assert_problem(answer(connection), 404)["detail"]


@pytest.mark.parametrize("path", ["/api/health/", "/api/jobs/", "/docs/", "/dashboard/", "/health/live/"])
def test_a_slash_at_the_end_of_a_path_is_ignored(service: Service, path: str):
    assert service.http.get(path).status_code == 200


@pytest.mark.parametrize("name", ["a.b-c_d~e", "~", "한글", "a b", "100%", "a+b;c=d,e@f:g'(h)*!$&"])
def test_names_may_be_encoded_in_paths_as_clients_encode_them(service: Service, name: str):
    service.upload(project=name)

    encoded = httpx.URL("/", path=f"/api/projects/{name}/jobs").raw_path.decode()
    for path in (encoded, encoded.replace("~", "%7E")):
        assert len(service.http.get(path).json()) >= 1
