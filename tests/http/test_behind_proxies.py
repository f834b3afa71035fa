"""Requests that a real proxy refuses do not get through in another request's body, or under another path."""

import logging
from collections.abc import Iterator

import httpx
import pytest

from tests.http.support import Service, poll
from tests.support.no_tls import NO_TLS
from tests.support.proxies import GUARDED, proxy
from tests.support.raw_http import answers, connect

HOST = b"Host: localhost\r\n"
HIDDEN = b"GET %s HTTP/1.1\r\n%s\r\n" % (GUARDED.encode(), HOST)
LAST = b"GET /api/health HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
OFFERS = [
    b"Connection: Upgrade\r\nUpgrade: anything\r\n",
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n",
]


@pytest.fixture(params=["nginx", "haproxy"], scope="module")
def front(request: pytest.FixtureRequest, whole_service: Service) -> Iterator[httpx.URL]:
    with proxy(request.param, whole_service.http.base_url.port) as url:
        yield url


def paths_seen(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage().partition("path=")[2].partition(" ")[0] for record in caplog.records]


def is_answering(service: Service) -> bool:
    return any(connection.is_answering for connection in service.server.server_state.connections)


@pytest.mark.parametrize("offer", OFFERS, ids=["anything", "websocket", "h2c"])
def test_no_request_is_hidden_in_a_body(
    service: Service, front: httpx.URL, caplog: pytest.LogCaptureFixture, offer: bytes
):
    with caplog.at_level(logging.INFO, "service_server.http.access"), connect(front) as connection:
        # Given a request that offers to upgrade, whose body comes when its head is with the service
        head = b"POST /api/project HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + offer
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(HIDDEN))
        poll(lambda: is_answering(service) or caplog.records)
        connection.sendall(HIDDEN)

        # When the next request comes by the same way
        connection.sendall(LAST)
        first, last = answers(connection)
        poll(lambda: "/api/health" in paths_seen(caplog))

    # Then both have their own answer, and nothing else has come
    assert first.status_code == 422
    assert "JSON is malformed" in first.json()["detail"]
    assert last.json()["status"]
    assert paths_seen(caplog) == ["/api/project", "/api/health"]


@pytest.mark.parametrize(
    "path",
    [
        *(GUARDED, GUARDED + "/", "/" + GUARDED, "/api//projects", "/api%2fprojects", "/%61pi/projects"),
        *("/api/./projects", "/x/../api/projects", "/api/%2e/projects", "/api/x/%2e%2e/projects"),
        *("/api\\projects", "/api/project%73", "//localhost/api/projects"),
    ],
)
def test_no_other_form_of_a_path_leads_past_the_proxy(front: httpx.URL, path: str):
    with connect(front) as connection:
        connection.sendall(b"GET %s HTTP/1.1\r\n%sConnection: close\r\n\r\n" % (path.encode(), HOST))
        (refused,) = answers(connection)

    assert refused.status_code in {400, 401, 404}


def test_everything_else_passes(front: httpx.URL):
    with httpx.Client(base_url=front, verify=NO_TLS) as http:
        body = {"project": "proxied", "code": "print(1)", "language": "python"}
        ended = http.post("/api/upload?wait=20", json={**body, "execute": True, "stdin": "4"}).json()
        health = http.get("/api/health", headers={"Connection": "Upgrade", "Upgrade": "h2c"})

    assert ended["status"] == "SUCCESS"
    assert ended["data"]["result"]["stdout"] == "4"
    assert health.status_code == 200
