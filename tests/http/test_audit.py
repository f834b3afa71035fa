"""The audit log and the usage over the API, asked with keys."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from domain.caller import Scope
from domain.quota import UNLIMITED
from entrypoints.settings import AuthMode
from tests.http.support import Service, assert_problem, header_of_new_key, serving
from tests.support.callers import a_caller

ADMIN = a_caller("default")
PROGRAM = {"project": "demo", "code": "12345", "language": "python"}


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("audit"), auth=AuthMode.KEYS) as service:
        service.container.services().create_tenant(ADMIN, "acme", UNLIMITED)
        yield service


@pytest.fixture
def key_of(service: Service) -> Callable[..., dict[str, str]]:
    return partial(header_of_new_key, service, tenant="acme")


@pytest.fixture
def owner(key_of) -> dict[str, str]:
    return key_of(Scope.KEYS_WRITE, Scope.JOBS_WRITE, Scope.JOBS_READ)


@pytest.fixture
def admin(key_of) -> dict[str, str]:
    return key_of(Scope.ADMIN, tenant="default")


@pytest.fixture
def upload(service, owner):
    """Upload a job and post the entries; return the job's id."""

    def upload(headers=owner, **fields) -> str:
        answer = service.http.post("/api/upload", headers=headers, json=PROGRAM | fields)
        service.container.services().post_audit_entries()
        return answer.raise_for_status().json()["job_id"]

    return upload


def entries(service, headers, **query):
    answer = service.http.get("/api/audit", headers=headers, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_act_is_listed_with_its_caller_and_its_usage(service, owner, upload):
    job_id = upload()

    (entry,) = entries(service, owner, limit=1, act="job.upload")
    assert (entry["subject"], entry["act"], entry["outcome"]) == (job_id, "job.upload", "done")
    assert entry["principal"].startswith("key:")
    assert (entry["tenant"], entry["address"]) == ("acme", "127.0.0.1")
    assert entry["request_id"]
    assert entry["usage"] == {"uploads": 1, "executions": 0, "cpu_ms": 0, "stored_bytes": 5}
    assert len(entry["hash"]) == 64


def test_a_caller_sees_entries_of_its_tenant_alone(service, key_of, owner, upload):
    upload()
    other = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ, tenant="default")

    assert {entry["tenant"] for entry in entries(service, owner)} == {"acme"}
    assert "acme" not in {entry["tenant"] for entry in entries(service, other)}
    refused = service.http.get("/api/audit", headers=other, params={"tenant": "acme"})
    assert "admin" in assert_problem(refused, 403)["detail"]
    assert service.http.get("/api/usage", headers=other, params={"tenant": "acme"}).status_code == 403


def test_an_administrator_sees_entries_of_all_tenants_or_of_one(service, admin, upload):
    upload()

    assert {"acme", "default"} <= {entry["tenant"] for entry in entries(service, admin)}
    assert {entry["tenant"] for entry in entries(service, admin, tenant="acme")} == {"acme"}


def test_a_caller_of_one_project_sees_its_entries_alone(service, key_of, upload):
    upload(project="first")
    upload(project="second")
    of_first = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ, project="first")

    seen = entries(service, of_first, act="job.upload")
    assert len({entry["project_id"] for entry in seen}) == 1
    usage = service.http.get("/api/usage", headers=of_first).json()
    assert {day["project"] for day in usage} == {"first"}


def test_filters_and_pages(service, owner, upload):
    before = datetime.now(UTC)
    ids = [upload() for _ in range(5)]
    query = {"act": "job.upload", "since": before.isoformat(), "limit": 2}
    seen, path = [], service.http.build_request("GET", "/api/audit", params=query).url

    while path:
        answer = service.http.get(path, headers=owner)
        seen += [entry["subject"] for entry in answer.json()]
        path = answer.links.get("next", {}).get("url")

    assert seen == ids[::-1]
    assert entries(service, owner, until=before.isoformat(), since=before.isoformat()) == []
    assert entries(service, owner, principal="nobody") == []
    assert entries(service, owner, limit=0) == []


def test_a_refusal_is_listed(service, owner, upload):
    job_id = upload()
    assert service.http.post(f"/api/cancel/{job_id}", headers=owner).status_code == 200
    assert service.http.post(f"/api/cancel/{job_id}", headers=owner).status_code == 409
    service.container.services().post_audit_entries()

    refused, done = entries(service, owner, act="job.cancel", limit=2)
    assert (refused["outcome"], done["outcome"]) == ("job_transition_refused", "done")
    assert {refused["subject"], done["subject"]} == {job_id}


def test_no_entry_has_a_secret(service, admin, owner, upload):
    upload(code="s3cret-code", env={"TOKEN": "s3cret-env"}, stdin="s3cret-stdin")
    keys = [header["Authorization"].removeprefix("Bearer ") for header in (admin, owner)]
    made = service.http.post(
        "/api/keys", headers=owner, json={"name": "mine", "scopes": ["jobs:read"]}
    ).json()
    service.container.services().post_audit_entries()

    text = service.http.get("/api/audit", headers=admin, params={"limit": 1000}).text
    assert made["key_id"] in text
    assert not any(secret in text for secret in (*keys, made["key"], "s3cret"))


def test_usage_is_added_up_by_day_and_project(service, key_of):
    writer = key_of(Scope.JOBS_WRITE, Scope.JOBS_READ)
    for project in ("one", "two", "two"):
        body = PROGRAM | {"project": f"usage-{project}"}
        service.http.post("/api/upload", headers=writer, json=body).raise_for_status()
    service.container.services().post_audit_entries()
    today = datetime.now(UTC).date().isoformat()

    def usage(**query):
        return service.http.get("/api/usage", headers=writer, params=query)

    (day,) = usage(project="usage-two").json()
    assert (day["day"], day["uploads"], day["stored_bytes"]) == (today, 2, 10)
    days, path = [], "/api/usage?limit=1"
    while path:
        answer = service.http.get(path, headers=writer)
        days += [day["project"] for day in answer.json()]
        path = answer.links.get("next", {}).get("url")
    assert days == [day["project"] for day in usage().json()]
    assert days[:2] == ["usage-two", "usage-one"]
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert usage(since=tomorrow, until=tomorrow).json() == []
    assert usage(until="0001-01-01").json() == []


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/audit?limit=1001", "limit"),
        ("/api/audit?limit=-1", "limit"),
        ("/api/audit?since=yesterday", "since"),
        ("/api/audit?cursor=AAAA", "cursor"),
        ("/api/audit?cursor=f_________________________8=", "cursor"),
        ("/api/usage?limit=1001", "limit"),
        ("/api/usage?since=2025-13-01", "since"),
        ("/api/usage?since=2025-01-01&until=2026-01-02", "since"),
        ("/api/usage?since=2025-01-02&until=2025-01-01", "since"),
        ("/api/usage?cursor=AAAA", "cursor"),
    ],
)
def test_bad_parameters_are_refused_by_their_names(service, owner, path, named):
    (error,) = assert_problem(service.http.get(path, headers=owner), 422)["errors"]
    assert error["parameter"] == named


def test_quotas_in_force_are_shown_with_their_use(service, key_of, admin):
    # Given a tenant with some quotas, of which it has used a part
    service.http.post("/api/tenants", headers=admin, json={"tenant": "counted"}).raise_for_status()
    headers = key_of(Scope.JOBS_WRITE, Scope.JOBS_READ, tenant="counted")
    quota = {"uploads_per_day": 9, "stored_bytes": 100, "waiting": 3, "running": 2, "requests_per_s": 99}
    quota |= {"cpu_seconds_per_day": 5, "streams": 4, "max_priority": 7, "memory_mb": 64}
    service.http.put("/api/tenants/counted/quota", headers=admin, json=quota).raise_for_status()
    for _ in range(2):
        service.http.post("/api/upload", headers=headers, json=PROGRAM).raise_for_status()
    # When it asks for them
    answer = service.http.get("/api/usage/quota", headers=headers).raise_for_status().json()
    # Then each is there with its use, where it has one
    used = dict.fromkeys(quota) | {"uploads_per_day": 2, "stored_bytes": 10}
    used |= {"waiting": 0, "running": 0, "cpu_seconds_per_day": 0, "streams": 0}
    assert answer == {
        "tenant": "counted",
        "quota": {name: {"used": used[name], "allowed": quota[name]} for name in quota},
    }
    # And an administrator sees the same, and another tenant nothing
    of_counted = {"tenant": "counted"}
    seen = service.http.get("/api/usage/quota", headers=admin, params=of_counted)
    assert seen.json() == answer
    other = service.http.get("/api/usage/quota", headers=key_of(Scope.JOBS_READ), params=of_counted)
    assert other.status_code == 403
    none = service.http.get("/api/usage/quota", headers=key_of(Scope.JOBS_READ)).json()
    assert none == {"tenant": "acme", "quota": {}}
