"""Requests a second and other quotas of callers, as their answers show them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest

from adapters.in_process.rate_limiter import InProcessRateLimiter
from application.commands import CreateKeyCommand
from application.ports.rate_limiter import RateDecision, RateLimiter
from domain.caller import Scope
from domain.quota import Quota
from entrypoints.http import callers
from entrypoints.settings import AuthMode
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll, serving
from tests.support.callers import ANONYMOUS, a_caller

JOB = {"project": "demo", "code": "1", "language": "python"}


class FrozenLimiter(RateLimiter):
    """Token buckets that do not fill up, until a test begins with full ones."""

    def __init__(self) -> None:
        self.fill()

    def fill(self) -> None:
        self._buckets = InProcessRateLimiter(lambda: 0.0)
        self.asked = 0

    def try_take(self, _limits) -> None:
        return None

    def take(self, limits) -> RateDecision:
        self.asked += 1
        return self._buckets.take(limits)


@pytest.fixture(scope="module")
def one_limiter() -> FrozenLimiter:
    return FrozenLimiter()


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory, one_limiter: FrozenLimiter) -> Iterator[Service]:
    """A service of all tests, whose callers have no quota but that of a test."""
    directory = tmp_path_factory.mktemp("limited")
    with serving(directory, lambda container: container.rate_limiter.override(one_limiter)) as service:
        yield service


@pytest.fixture(autouse=True)
def limiter(one_limiter: FrozenLimiter) -> FrozenLimiter:
    one_limiter.fill()
    return one_limiter


def call_as(monkeypatch: pytest.MonkeyPatch, key: int | None = None, **figures: int) -> None:
    """Give callers a quota, and a limit of requests a second to their key."""
    tenant = replace(ANONYMOUS.tenant, quota=Quota.of(figures))
    caller = replace(ANONYMOUS, tenant=tenant, requests_per_s=key)
    monkeypatch.setattr(callers, "anonymous", lambda *_: caller)


def test_every_answer_names_the_limit_and_what_is_left_of_it(limited: Service, monkeypatch):
    call_as(monkeypatch, requests_per_s=3)

    listed = limited.http.get("/api/jobs")
    missing = limited.http.get(f"/api/jobs/{UNKNOWN_ID}")
    invalid = limited.http.post("/api/upload", json={})
    refused = limited.http.get("/api/jobs")

    answers = [listed, missing, invalid, refused]
    assert [answer.status_code for answer in answers] == [200, 404, 422, 429]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"requests_per_s";q=3;w=1'}
    assert [answer.headers["ratelimit"] for answer in answers] == [
        f'"requests_per_s";r={left};t=1' for left in (2, 1, 0, 0)
    ]


def test_a_request_too_many_is_refused_before_its_body_is_read(limited: Service, monkeypatch):
    call_as(monkeypatch, requests_per_s=1)
    limited.http.get("/api/jobs")

    refused = limited.http.post("/api/upload", content=b"{", headers={"content-type": "application/json"})

    problem = assert_problem(refused, 429)
    assert refused.headers["retry-after"] == "1"
    assert (problem["quota"], problem["used"], problem["allowed"]) == ("requests_per_s", 1, 1)


def test_a_key_has_a_limit_beside_its_tenants(limited: Service, monkeypatch):
    call_as(monkeypatch, requests_per_s=10, key=1)

    first, second = limited.http.get("/api/jobs"), limited.http.get("/api/jobs")

    assert first.headers["ratelimit-policy"] == ('"requests_per_s";q=10;w=1, "requests_per_s_of_key";q=1;w=1')
    assert first.headers["ratelimit"] == '"requests_per_s";r=9;t=1, "requests_per_s_of_key";r=0;t=1'
    assert assert_problem(second, 429)["quota"] == "requests_per_s_of_key"
    # What the key may not take is left to the tenant's others.
    assert second.headers["ratelimit"] == '"requests_per_s";r=9;t=1, "requests_per_s_of_key";r=0;t=1'


def test_a_limit_of_zero_lets_no_request_in(limited: Service, monkeypatch):
    call_as(monkeypatch, requests_per_s=0)

    refused = limited.http.get("/api/jobs")

    assert assert_problem(refused, 429)["allowed"] == 0
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit"] == '"requests_per_s";r=0;t=60'


def test_callers_without_a_limit_are_not_counted(limited: Service, limiter: FrozenLimiter):
    answer = limited.http.get("/api/jobs")

    assert answer.status_code == 200
    assert "ratelimit" not in answer.headers
    assert limiter.asked == 0


@pytest.mark.parametrize("path", ["/api/health", "/health/live", "/openapi.json", "/docs"])
def test_requests_that_need_no_caller_are_not_counted(limited: Service, monkeypatch, path: str):
    call_as(monkeypatch, requests_per_s=1)

    answers = [limited.http.get(path) for _ in range(3)]

    assert {answer.status_code for answer in answers} == {200}
    assert not any("ratelimit" in answer.headers for answer in answers)


def test_pages_of_other_sites_may_read_the_limits(limited: Service, monkeypatch):
    call_as(monkeypatch, requests_per_s=1)

    answer = limited.http.get("/api/jobs", headers={"origin": "http://localhost:5173"})

    exposed = answer.headers["access-control-expose-headers"]
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= {name.strip() for name in exposed.split(",")}


def test_a_stream_names_the_limit_too(limited: Service, monkeypatch):
    job_id = limited.run()["job_id"]
    call_as(monkeypatch, requests_per_s=2)

    answer = limited.http.get(f"/api/jobs/{job_id}/events", headers={"accept": "text/event-stream"})

    assert answer.status_code == 200
    assert answer.headers["ratelimit"] == '"requests_per_s";r=1;t=1'


def test_no_more_streams_are_open_than_the_quota_allows(limited: Service, monkeypatch):
    job_id = limited.upload()["job_id"]
    call_as(monkeypatch, streams=3)
    address = (limited.http.base_url.host, limited.http.base_url.port)

    with ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(address)) for _ in range(40)]
        for number, connection in enumerate(connections):
            kind = ("output", "events")[number % 2]
            connection.sendall(f"GET /api/jobs/{job_id}/{kind} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        statuses = [connection.recv(12).rpartition(b" ")[2] for connection in connections]
        poll(lambda: limited.notifier.capacity.used == 3)
        refused = limited.http.get(f"/api/jobs/{job_id}/status", params={"wait": 1})

    assert set(statuses) == {b"200", b"429"}
    assert statuses.count(b"200") >= 3
    problem = assert_problem(refused, 429)
    assert (problem["quota"], problem["used"], problem["allowed"]) == ("streams", 3, 3)
    assert refused.headers["ratelimit-policy"] == '"streams";q=3;qu="concurrent-requests"'
    poll(lambda: limited.notifier.capacity.used == 0)
    assert limited.http.get(f"/api/jobs/{job_id}/status", params={"wait": 0.01}).status_code == 200


def test_a_job_that_was_started_is_answered_where_the_quota_allows_no_wait(limited: Service, monkeypatch):
    call_as(monkeypatch, streams=0)

    started = limited.http.post(
        "/api/upload",
        params={"wait": 20},
        json={**JOB, "execute": True},
    )

    assert started.status_code == 200
    poll(lambda: not limited.running())


def test_a_priority_beyond_the_quota_names_the_field_and_the_quota(limited: Service, monkeypatch):
    call_as(monkeypatch, max_priority=3, memory_mb=64)
    urgent = limited.http.post("/api/upload", json={**JOB, "priority": 4})
    large = limited.http.post("/api/upload", json={**JOB, "memory_mb": 65})

    assert assert_problem(urgent, 422)["errors"] == [
        {"pointer": "/priority", "detail": "the quota 'max_priority' allows priorities up to 3"}
    ]
    assert assert_problem(large, 422)["errors"] == [
        {"pointer": "/memory_mb", "detail": "must be from 16 to 64"}
    ]
    assert limited.http.post("/api/upload", json=JOB).status_code == 200


def test_uploads_are_refused_beyond_the_quota_of_the_day(tmp_path, monkeypatch):
    call_as(monkeypatch, uploads_per_day=1)
    with serving(tmp_path) as service:  # where no other test has uploaded anything today
        service.upload()

        refused = service.http.post("/api/upload", json=JOB)

    problem = assert_problem(refused, 429)
    assert (problem["quota"], problem["used"], problem["allowed"]) == ("uploads_per_day", 1, 1)
    assert 1 <= int(refused.headers["retry-after"]) <= 86_400
    assert refused.headers["ratelimit-policy"] == '"uploads_per_day";q=1;w=86400'


def test_quotas_of_a_tenant_and_a_rate_of_a_key_are_set_over_the_api(tmp_path, limiter: FrozenLimiter):
    def prepare(container):
        container.rate_limiter.override(limiter)

    with serving(tmp_path, prepare, auth=AuthMode.KEYS) as service:
        # Given a tenant with quotas and a key with a rate of its own
        first = service.container.services().create_key(
            a_caller("default"), CreateKeyCommand(name="admin", scopes=frozenset({Scope.ADMIN}))
        )
        admin = {"Authorization": f"Bearer {first.text.value}"}
        tenant = {"tenant": "acme", "quota": {"requests_per_s": 100, "uploads_per_day": 1}}
        service.http.post("/api/tenants", headers=admin, json=tenant).raise_for_status()
        made = service.http.post(
            "/api/keys",
            headers=admin,
            json={"name": "ci", "tenant": "acme", "scopes": ["jobs:write"], "requests_per_s": 3},
        ).raise_for_status()
        key = {"X-Auth-Token": made.json()["key"]}
        # When it uploads more than it may, and asks more often than it may
        answers = [service.http.post("/api/upload", headers=key, json=JOB) for _ in range(4)]
        # Then each refusal names the quota, and every answer the rates
        assert [answer.status_code for answer in answers] == [200, 429, 429, 429]
        assert [answer.json().get("quota") for answer in answers] == [
            *(None, "uploads_per_day", "uploads_per_day", "requests_per_s_of_key")
        ]
        policy = '"requests_per_s";q=100;w=1, "requests_per_s_of_key";q=3;w=1'
        assert answers[0].headers["ratelimit-policy"] == policy
        assert answers[1].headers["ratelimit-policy"] == f'"uploads_per_day";q=1;w=86400, {policy}'
        # And a quota that is lifted is in force soon
        service.http.put("/api/tenants/acme/quota", headers=admin, json={}).raise_for_status()
        key = service.http.post(
            "/api/keys", headers=admin, json={"name": "ci", "tenant": "acme", "scopes": ["jobs:write"]}
        ).json()["key"]
        poll(lambda: service.http.post("/api/upload", headers={"X-Auth-Token": key}, json=JOB).is_success)
