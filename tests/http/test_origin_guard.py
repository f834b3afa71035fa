"""Requests that browsers can be made to send in their users' name are refused."""

from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from entrypoints.http import origin_guard
from entrypoints.http.origin_guard import MAX_REFUSED_NAMES
from tests.http.support import UNKNOWN_ID, Service, assert_problem, serving
from tests.support.settings import settings_of

ALLOWED = "http://localhost:5173"
FOREIGN = "https://evil.example"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens
CANCEL = f"/api/cancel/{UNKNOWN_ID}"


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8000", "localhost.evil.example", "[::2]:1", ""),
        *("localhost:80@evil.example", "localhost:evil.example", "[::1]evil.example", "localhost:80:80"),
    ],
)
@pytest.mark.parametrize("path", ["/api/jobs", "/dashboard", "/docs", "/api/nothing"])
def test_a_request_for_another_host_is_refused(service: Service, host: str, path: str):
    response = service.http.get(path, headers={"host": host})

    assert "SERVICE_SERVER_ALLOWED_HOSTS" in assert_problem(response, 421)["detail"]


def test_of_two_hosts_neither_is_believed(service: Service):
    url = service.http.base_url
    with closing(HTTPConnection(url.host, url.port, timeout=10)) as connection:
        connection.putrequest("GET", "/api/jobs", skip_host=True)
        for host in ("localhost", "evil.example"):
            connection.putheader("Host", host)
        connection.endheaders()

        assert connection.getresponse().status == 400


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_a_request_for_this_machine_is_let_in(service: Service, host: str):
    assert service.http.get("/api/jobs", headers={"host": host}).status_code == 200


def test_health_is_told_whatever_the_host(service: Service):
    assert service.http.get("/health/live", headers={"host": "10.0.0.7"}).status_code == 200


def test_the_names_that_are_set_are_let_in(tmp_path):
    names = {"public_url": "https://Code.example", "allowed_hosts": "api.internal, other"}
    with serving(tmp_path, **names) as service:
        for host in ("code.example", "api.internal:80", "other", "localhost"):
            assert service.http.get("/api/jobs", headers={"host": host}).status_code == 200
        assert_problem(service.http.get("/api/jobs", headers={"host": "evil.example"}), 421)


@pytest.mark.parametrize(
    ("settings", "takes_any"),
    [
        ({"host": EVERYWHERE}, False),
        ({"host": EVERYWHERE, "environment": "production"}, True),
        ({"host": "::", "environment": "production"}, True),
        ({"host": EVERYWHERE, "environment": "production", "allowed_hosts": "a.example"}, False),
        ({"host": "10.0.0.7", "environment": "production"}, False),
        ({"allowed_hosts": "*"}, True),
    ],
)
def test_only_behind_a_load_balancer_any_host_is_taken(settings: dict, takes_any: bool):  # noqa: FBT001 - a case's outcome
    served = settings_of(**settings).served_hosts

    assert (served is None) is takes_any
    if served is not None and "host" in settings and settings["host"].startswith("10."):
        assert settings["host"] in served


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "cross-site", "origin": FOREIGN},
        {"sec-fetch-site": "same-site", "origin": "https://127.0.0.2"},
        {"origin": FOREIGN},
        {"origin": "null"},
    ],
    ids=str,
)
def test_another_sites_page_changes_nothing(service: Service, headers: dict[str, str]):
    assert_problem(service.http.post(CANCEL, headers=headers), 403)
    assert service.http.get("/api/jobs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": FOREIGN},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-site", "origin": ALLOWED},
        {"sec-fetch-site": "cross-site", "origin": ALLOWED},
        {"origin": ALLOWED},
        {"origin": "https://localhost:9", "host": "localhost:9"},
    ],
    ids=str,
)
def test_who_may_call_is_let_in(service: Service, headers: dict[str, str]):
    assert_problem(service.http.post(CANCEL, headers=headers), 404)


def test_a_host_and_an_origin_that_are_refused_are_logged_once_with_their_setting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with serving(tmp_path) as service:
        for _ in range(3):
            service.http.get("/api/jobs", headers={"host": "known.example:8000"})
            service.http.get("/api/jobs", headers={"origin": "https://web.example"})
            service.http.post(CANCEL, headers={"origin": "https://web.example"})
            service.http.post(CANCEL, headers={"origin": str(service.http.base_url).rstrip("/")})
        for number in range(2 * MAX_REFUSED_NAMES):
            service.http.get("/api/jobs", headers={"host": f"n{number}.example"})

    said = [one.getMessage() for one in caplog.records if one.name == origin_guard.logger.name]
    of_hosts = [line for line in said if "SERVICE_SERVER_ALLOWED_HOSTS" in line]
    of_origins = [line for line in said if "SERVICE_SERVER_CORS_ORIGINS" in line]
    assert len([line for line in of_hosts if "'known.example:8000'" in line]) == 1
    assert len(of_hosts) == MAX_REFUSED_NAMES
    assert len(of_origins) == 1
    assert "'https://web.example'" in of_origins[0]
