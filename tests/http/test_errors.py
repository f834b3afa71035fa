import logging
import re
import socket

import httpx
import pytest

from application.errors import DependencyUnavailable, QuotaExceeded
from entrypoints.cli.logging_setup import LogFieldsFilter
from tests.http.support import Service, assert_problem, serving
from tests.support.failing import Failing
from tests.support.no_tls import NO_TLS


@pytest.mark.parametrize(
    "path", ["/api", "/api/nothing", "/api/jobs/x/y/z", "/docs/none", "/docs/static/none"]
)
def test_what_is_not_there_is_a_problem(service: Service, path: str):
    problem = assert_problem(service.http.get(path), 404)

    assert problem["type"] == "urn:service-server:problem:no-such-resource"
    assert problem["instance"] == path


def test_a_method_that_is_not_allowed_is_a_problem(service: Service):
    response = service.http.put("/api/jobs")

    problem = assert_problem(response, 405)
    assert response.headers["allow"] == "GET, HEAD, OPTIONS"
    assert problem["detail"].startswith("PUT is not allowed here; ")


@pytest.mark.parametrize(
    ("path", "allowed"), [("/api/jobs", "GET, HEAD, OPTIONS"), ("/api/upload", "OPTIONS, POST")]
)
def test_options_names_the_methods(service: Service, path: str, allowed: str):
    response = service.http.options(path)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["allow"] == allowed


def test_options_names_all_methods_of_each_path_of_the_document(service: Service):
    for path, operations in service.http.get("/openapi.json").json()["paths"].items():
        expected = {method.upper() for method in operations} & {"GET", "POST", "PUT", "PATCH", "DELETE"}
        expected |= {"OPTIONS"} | ({"HEAD"} if "GET" in expected else set())

        response = service.http.options(re.sub(r"\{\w+\}", "1", path))

        assert set(response.headers["allow"].split(", ")) == expected, path


def test_a_host_that_is_none_is_a_problem(service: Service):
    response = service.http.get("/health/live", headers={"host": "a b"})

    assert_problem(response, 400)


@pytest.mark.parametrize(
    "request_line",
    [
        "GARBAGE",
        "POST /api/project?project_name=안녕 HTTP/1.1",
        "GET /api/health HTTP/1.1\r\nX-Request-ID: a\x01b",
    ],
    ids=["no HTTP", "a URL beyond ASCII", "a control character"],
)
def test_what_is_not_http_is_a_problem(service: Service, request_line: str):
    url = service.http.base_url
    with socket.create_connection((url.host, url.port), timeout=60) as connection:
        connection.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")

    status, *headers = head.decode().split("\r\n")
    response = httpx.Response(
        int(status.split()[1]), headers=[line.split(": ", 1) for line in headers], content=body
    )
    assert "percent-encoded" in assert_problem(response, 400)["detail"]


def test_a_missing_parameter_is_named_without_naming_the_host(service: Service):
    problem = assert_problem(service.http.get("/api/log"), 422)

    assert problem["errors"] == [{"parameter": "log_key", "detail": "is required"}]
    assert "127.0.0.1" not in str(problem)


def test_what_is_unavailable_says_when_to_try_again(tmp_path):
    away = Failing(DependencyUnavailable("database", "no answer", 7))
    with serving(tmp_path, lambda container: container.job_queries.override(away)) as service:
        response = service.http.get("/api/jobs")

    problem = assert_problem(response, 503)
    assert response.headers["retry-after"] == "7"
    assert problem["detail"] == "the database is unavailable: no answer"


def test_a_used_up_quota_is_named_with_its_figures(tmp_path):
    reached = Failing(QuotaExceeded("uploads_per_day", 10, 10, 3_600))
    with serving(tmp_path, lambda container: container.job_queries.override(reached)) as service:
        response = service.http.get("/api/jobs")

    problem = assert_problem(response, 429)
    assert response.headers["retry-after"] == "3600"
    assert problem["type"] == "urn:service-server:problem:quota-exceeded"
    assert problem["detail"] == "the quota 'uploads_per_day' allows 10, and 10 are used"
    assert (problem["quota"], problem["used"], problem["allowed"]) == ("uploads_per_day", 10, 10)
    assert response.headers["ratelimit-policy"] == '"uploads_per_day";q=10;w=86400'
    assert response.headers["ratelimit"] == '"uploads_per_day";r=0;t=3600'


@pytest.mark.parametrize("debug", ["false", "true"])
def test_a_failure_is_logged_and_not_told(tmp_path, caplog: pytest.LogCaptureFixture, debug: str):
    broken = Failing(RuntimeError("secret"))
    with (
        serving(tmp_path, lambda container: container.job_queries.override(broken), debug=debug) as service,
        caplog.at_level(logging.ERROR, "service_server.http"),
        caplog.filtering(LogFieldsFilter()),
    ):
        response = service.http.get("/api/jobs", headers={"x-request-id": "call-17"})

    problem = assert_problem(response, 500)
    assert problem["type"] == "urn:service-server:problem:internal"
    assert "secret" not in response.text
    assert "Traceback" not in response.text
    (record,) = [record for record in caplog.records if record.name == "service_server.http"]
    assert record.getMessage() == "GET /api/jobs failed"
    assert record.fields["request_id"] == "call-17"
    assert record.exc_info is not None


def test_two_mistakes_are_both_told(service: Service):
    response = service.http.get("/api/cloudwatch/local", params={"minutes": "x", "period": "y"})

    errors = assert_problem(response, 422)["errors"]
    assert {error["parameter"] for error in errors} == {"minutes", "period"}


def test_a_mistake_in_the_query_asks_for_no_body(service: Service):
    job_id = service.upload()["job_id"]

    optional = service.http.post(f"/api/execute/{job_id}", params={"wait": "x"})
    required = service.http.post("/api/upload", params={"wait": "x"})

    assert [error.get("parameter") for error in assert_problem(optional, 422)["errors"]] == ["wait"]
    assert [error.get("parameter") for error in assert_problem(required, 422)["errors"]] == [None, "wait"]


def test_a_caller_who_leaves_before_the_body_has_come_is_no_failure(
    service: Service, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, "service_server"):
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.Client(base_url=service.http.base_url, verify=NO_TLS) as http,
        ):
            http.post("/api/upload", content=_broken_off(), headers={"content-type": "application/json"})
        service.http.get("/api/health")

    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def _broken_off():
    yield b"{"
    raise httpx.RemoteProtocolError("the caller is gone")
