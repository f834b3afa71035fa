"""The headers of every answer to any request."""

import logging
import re

import pytest

from entrypoints.cli.logging_setup import LogFieldsFilter
from tests.http.support import Service, assert_problem, poll, serving
from tests.support.raw_http import answers, connect

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
DEVELOPMENT = "http://localhost:5173"


def test_a_request_id_that_is_sane_is_kept(service: Service):
    for request_id in ("call-17", "1-67891233-abcdef012345678912345678", "a" * 128):
        response = service.http.get("/api/health", headers={"x-request-id": request_id})
        assert response.headers["x-request-id"] == request_id


@pytest.mark.parametrize("request_id", ["", "a" * 129, 'a"b', "a b", "<script>", "é".encode()])
def test_a_request_id_that_is_not_sane_is_replaced(service: Service, request_id: str | bytes):
    response = service.http.get("/api/health", headers={"x-request-id": request_id})

    assert UUID.fullmatch(response.headers["x-request-id"])


def test_each_request_has_a_line_in_the_log(service: Service, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "service_server.http.access"), caplog.filtering(LogFieldsFilter()):
        service.http.post("/api/projects/줄%0A바꿈/archive?token=secret", headers={"x-request-id": "call-18"})

        # The line is written once the answer has been sent.
        (record,) = poll(lambda: caplog.records)

    assert re.fullmatch(
        r"method=POST path=/api/projects/%EC%A4%84%0A%EB%B0%94%EA%BF%88/archive status=422 "
        r"duration_ms=\d+\.\d client=127\.0\.0\.1",
        record.getMessage(),
    )
    assert record.fields == {"request_id": "call-18", "tenant": "default"}


@pytest.mark.parametrize("path", ["/api/health", "/api/jobs", "/api/nothing", "/docs"])
def test_head_is_get_without_the_content(service: Service, path: str):
    got, headed = service.http.get(path), service.http.head(path)

    assert headed.status_code == got.status_code
    assert headed.content == b""
    assert headed.headers["content-type"] == got.headers["content-type"]


@pytest.mark.parametrize("stream", ["events", "output"])
def test_head_of_a_stream_holds_up_no_request_after_it(service: Service, stream: str):
    path = f"/api/jobs/{service.upload()['job_id']}/{stream}"
    head_of_stream = f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = "GET /api/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    with connect(service.http.base_url) as connection:
        connection.sendall((head_of_stream + last).encode())
        head, health = answers(connection)

    assert head.headers["content-type"].startswith("text/event-stream")
    assert health.json()["status"] == "healthy"
    poll(lambda: service.notifier.capacity.used == 0)


@pytest.mark.parametrize("path", ["/api/health", "/api/nothing", "/docs", "/docs/static/page.js"])
def test_each_answer_is_safe_to_show(service: Service, path: str):
    headers = service.http.get(path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src" in headers["content-security-policy"]


@pytest.mark.parametrize("origin", [None, DEVELOPMENT, "https://evil.example"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *[("GET", "/api/jobs"), ("HEAD", "/api/jobs"), ("GET", "/api/nothing"), ("PUT", "/api/jobs")],
        *[("POST", "/api/upload"), ("OPTIONS", "/api/upload"), ("GET", "/docs"), ("GET", "/dashboard")],
        *[("GET", "/docs/static/page.js"), ("GET", "/docs/openapi.json"), ("GET", "/")],
    ],
)
def test_each_answer_says_that_it_depends_on_the_origin(
    service: Service, method: str, path: str, origin: str | None
):
    asked = {} if origin is None else {"origin": origin, "access-control-request-method": "POST"}

    response = service.http.request(method, path, headers=asked)

    varies = [name.strip().lower() for name in response.headers["vary"].split(",")]
    assert varies.count("origin") == 1
    assert len(response.headers.get_list("vary")) == 1


def test_a_refusal_depends_on_the_origin_too(service: Service):
    foreign = service.http.get("/api/jobs", headers={"host": "evil.example"})
    large = service.http.get("/api/jobs", headers={"x-note": "a" * 70_000})

    assert [(foreign.status_code, foreign.headers["vary"]), (large.status_code, large.headers["vary"])] == [
        (421, "Origin"),
        (431, "Origin"),
    ]


def test_data_is_not_kept_by_caches(service: Service):
    assert service.http.get("/api/jobs").headers["cache-control"] == "no-store"
    assert "max-age" in service.http.get("/docs/static/page.js").headers["cache-control"]


@pytest.mark.parametrize("origin", [DEVELOPMENT, "http://127.0.0.1:3000", "https://localhost"])
def test_pages_on_this_machine_may_call_in_development(service: Service, origin: str):
    response = service.http.get("/api/jobs", headers={"origin": origin})

    assert response.headers["access-control-allow-origin"] == origin
    exposed = {name.strip().lower() for name in response.headers["access-control-expose-headers"].split(",")}
    assert exposed == {
        *("content-range", "etag", "idempotent-replayed", "link", "ratelimit", "ratelimit-policy"),
        *("retry-after", "x-ignored-fields", "x-request-id", "x-wait-cut-to"),
    }


def test_a_page_may_read_an_error(service: Service):
    response = service.http.get("/api/nothing", headers={"origin": DEVELOPMENT})

    assert_problem(response, 404)
    assert response.headers["access-control-allow-origin"] == DEVELOPMENT


def test_a_page_may_ask_first(service: Service):
    asked = {
        "origin": DEVELOPMENT,
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type, x-request-id",
    }

    response = service.http.options("/api/upload", headers=asked)

    assert response.status_code == 204
    assert response.headers["access-control-allow-origin"] == DEVELOPMENT
    assert "POST" in response.headers["access-control-allow-methods"]
    assert "content-type" in response.headers["access-control-allow-headers"].lower()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://localhost.evil.example", "http://localhost:5173.evil", "null"]
)
def test_a_page_from_elsewhere_gets_no_leave(service: Service, origin: str):
    asked = {"origin": origin, "access-control-request-method": "POST"}

    for response in (
        service.http.get("/api/jobs", headers={"origin": origin}),
        service.http.options("/api/upload", headers=asked),
    ):
        assert response.is_success
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_only_the_origins_that_are_set_may_call(tmp_path):
    with serving(tmp_path, cors_origins=("https://app.example",)) as service:
        allowed = service.http.get("/api/health", headers={"origin": "https://app.example"})
        refused = service.http.get("/api/health", headers={"origin": DEVELOPMENT})

    assert allowed.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in refused.headers


def test_nobody_elsewhere_may_call_in_production_unless_set(tmp_path):
    with serving(tmp_path, environment="production") as service:
        response = service.http.get("/api/health", headers={"origin": DEVELOPMENT})

    assert "access-control-allow-origin" not in response.headers
