"""The API of keys and tenants, asked with keys."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import httpx
import pytest

from application.commands import CreateKeyCommand
from application.lists import JobFilter
from domain.api_key import KeyText
from domain.caller import Scope
from domain.quota import QUOTA_NAMES
from entrypoints.settings import AuthMode
from tests.http.support import UNKNOWN_ID, Service, assert_problem, header_of_new_key, poll, serving
from tests.support.callers import a_caller

ADMIN = a_caller("default")
SHOWN = {
    *("key_id", "name", "tenant", "scopes", "project", "status"),
    *("created_at", "created_by", "expires_at", "requests_per_s", "revoked_at", "last_used_at"),
}
NUMBERS = count()


@pytest.fixture(scope="module")
def service(tmp_path_factory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("keys"), auth=AuthMode.KEYS) as service:
        yield service


@pytest.fixture
def key_of(service: Service) -> Callable[..., dict[str, str]]:
    return partial(header_of_new_key, service, tenant="default")


@pytest.fixture
def admin(key_of) -> dict[str, str]:
    return key_of(Scope.ADMIN)


@pytest.fixture
def tenant(service: Service, admin) -> str:
    """A tenant of this test alone."""
    name = f"tenant-{next(NUMBERS)}"
    service.http.post("/api/tenants", headers=admin, json={"tenant": name}).raise_for_status()
    return name


def create(service: Service, headers, **changed) -> httpx.Response:
    body = {"name": "ci", "scopes": ["jobs:read"], **changed}
    return service.http.post("/api/keys", headers=headers, json=body)


def test_a_new_keys_text_is_in_its_answer_and_in_no_other(service: Service, key_of, tenant):
    headers = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ, tenant=tenant)

    answer = create(service, headers)

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    assert set(made) == SHOWN | {"key"}
    assert KeyText(made["key"])
    assert (made["tenant"], made["scopes"], made["status"]) == (tenant, ["jobs:read"], "ACTIVE")
    opened = service.http.get("/api/jobs", headers={"X-Auth-Token": made["key"]})
    assert opened.status_code == 200
    listed = service.http.get("/api/keys", headers=headers)
    assert made["key"] not in listed.text
    assert {**made, "last_used_at": None} | {"key": None} in [
        {**key, "last_used_at": None, "key": None} for key in listed.json()
    ]


def test_a_key_may_have_a_project_and_an_expiry(service: Service, key_of, tenant):
    headers = key_of(Scope.KEYS_WRITE, Scope.PROJECTS_WRITE, Scope.JOBS_READ, tenant=tenant)
    project = service.http.post("/api/project", headers=headers, json={"project_name": "mine"}).json()
    expires_at = "2100-01-31T12:00:00+09:00"

    made = create(service, headers, project=str(project["project_id"]), expires_at=expires_at).json()

    assert made["project"] == "mine"
    assert made["expires_at"] == "2100-01-31T03:00:00Z"


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"name": None}, "/name"),
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["everything"]}, "/scopes/0"),
        ({"scopes": "admin"}, "/scopes"),
        ({"scopes": ["admin"], "project": "demo"}, "/project"),
        ({"project": "a/b"}, "/project"),
        ({"expires_at": "2100-01-31T12:00:00"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"expires_at": "2000-01-31T12:00:00Z"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-12:00"}, "/expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+12:00"}, "/expires_at"),
        ({"key": "ssk_mine"}, "/key"),
        ({"overlap_s": 1}, "/overlap_s"),
    ],
)
def test_a_key_that_breaks_a_rule_is_refused_where_it_does(service: Service, admin, changed, pointer):
    service.http.post("/api/project", headers=admin, json={"project_name": "demo"}).raise_for_status()

    problem = assert_problem(create(service, admin, **changed), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_a_caller_gives_no_scope_that_it_lacks(service: Service, key_of):
    headers = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ)

    assert "'jobs:write'" in assert_problem(create(service, headers, scopes=["jobs:write"]), 403)["detail"]
    assert "'admin'" in assert_problem(create(service, headers, tenant="unknown"), 403)["detail"]
    assert "'admin'" in assert_problem(create(service, headers, scopes=["admin"]), 403)["detail"]


def test_a_caller_of_one_project_gives_keys_of_that_project_alone(service: Service, admin, key_of):
    for name in ("one", "another"):
        service.http.post("/api/project", headers=admin, json={"project_name": name}).raise_for_status()
    headers = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ, project="one")

    assert create(service, headers).json()["project"] == "one"
    assert_problem(create(service, headers, project="another"), 404)


def test_a_project_that_is_not_reached_is_not_there(service: Service, admin, key_of, tenant):
    service.http.post("/api/project", headers=admin, json={"project_name": "hidden"}).raise_for_status()

    for project in ("hidden", "1", "unknown"):
        headers = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ, tenant=tenant)
        assert_problem(create(service, headers, project=project), 404)


def test_keys_of_other_tenants_are_not_there(service: Service, admin, key_of, tenant):
    theirs = create(service, admin).json()["key_id"]
    headers = key_of(Scope.KEYS_WRITE, Scope.JOBS_READ, tenant=tenant)

    for key_id in (theirs, theirs.upper(), UNKNOWN_ID, "no-id", "%2e%2e"):
        assert_problem(service.http.delete(f"/api/keys/{key_id}", headers=headers), 404)
        assert_problem(service.http.post(f"/api/keys/{key_id}/rotate", headers=headers), 404)
    assert theirs not in service.http.get("/api/keys", headers=headers).text
    for query in ({"tenant": "default"}, {"tenant": "unknown"}):
        assert_problem(service.http.get("/api/keys", headers=headers, params=query), 403)
        assert_problem(service.http.delete(f"/api/keys/{theirs}", headers=headers, params=query), 403)


def test_an_administrator_names_the_tenant_of_the_keys(service: Service, admin, tenant):
    made = create(service, admin, tenant=tenant).json()
    path, query = f"/api/keys/{made['key_id']}", {"tenant": tenant}

    assert made["tenant"] == tenant
    listed = service.http.get("/api/keys", headers=admin, params=query).json()
    assert [key["key_id"] for key in listed] == [made["key_id"]]
    assert_problem(service.http.delete(path, headers=admin), 404)
    assert service.http.post(f"{path}/rotate", headers=admin, params=query).json()["tenant"] == tenant
    assert service.http.delete(path, headers=admin, params=query).json()["status"] == "REVOKED"
    for unknown in ("unknown", "NOT A NAME"):
        assert_problem(service.http.get("/api/keys", headers=admin, params={"tenant": unknown}), 404)
        assert_problem(create(service, admin, tenant=unknown), 404)


def test_a_rotated_key_and_its_successor_are_good_through_the_overlap(service: Service, admin):
    made = create(service, admin).json()

    successor = service.http.post(f"/api/keys/{made['key_id']}/rotate", headers=admin).json()

    assert set(successor) == SHOWN | {"key"}
    assert successor["key_id"] != made["key_id"]
    for key in (made["key"], successor["key"]):
        assert service.http.get("/api/jobs", headers={"X-Auth-Token": key}).status_code == 200
    listed = {key["key_id"]: key for key in service.http.get("/api/keys", headers=admin).json()}
    left = datetime.fromisoformat(listed[made["key_id"]]["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < left <= timedelta(hours=24)


@pytest.mark.parametrize("overlap_s", [-1, 30 * 86_400 + 1, 10**30, "1", 1.5])
def test_an_overlap_that_breaks_its_rule_is_refused(service: Service, admin, overlap_s):
    path = f"/api/keys/{create(service, admin).json()['key_id']}/rotate"

    problem = assert_problem(service.http.post(path, headers=admin, json={"overlap_s": overlap_s}), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == ["/overlap_s"]


def test_a_revoked_key_opens_nothing_within_five_seconds(service: Service, admin):
    made = create(service, admin).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert service.http.get("/api/jobs", headers=headers).status_code == 200

    revoked = service.http.delete(f"/api/keys/{made['key_id']}", headers=admin)

    last = begin = time.monotonic()
    assert revoked.json()["status"] == "REVOKED"
    while service.http.get("/api/jobs", headers=headers).status_code != 401:
        assert last < begin + 5
        last = time.monotonic()
    assert service.http.delete(f"/api/keys/{made['key_id']}", headers=admin).json() == revoked.json()
    assert_problem(service.http.post(f"/api/keys/{made['key_id']}/rotate", headers=admin), 409)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/keys", {"name": "heir", "scopes": ["jobs:read"]}),
        ("/api/keys/{other}/rotate", {}),
        ("/api/webhooks", {"url": "https://example.com/"}),
        ("/api/tenants", {"tenant": "heirs"}),
    ],
)
def test_a_revoked_key_makes_nothing_that_outlasts_it(service: Service, admin, path, body):
    # Given a key that the process knows, and one beside it
    made, other = create(service, admin, scopes=["admin"]).json(), create(service, admin).json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    assert service.http.get("/api/keys", headers=headers).status_code == 200
    # When it is revoked, Then it is refused at once
    service.http.delete(f"/api/keys/{made['key_id']}", headers=admin).raise_for_status()
    answer = service.http.post(path.format(other=other["key_id"]), headers=headers, json=body)
    assert_problem(answer, 401)


def test_of_administrators_that_revoke_each_other_at_once_one_is_left(tmp_path):
    with serving(tmp_path, auth=AuthMode.KEYS) as service:
        create_key = service.container.services().create_key
        command = CreateKeyCommand(name="x", scopes=frozenset({Scope.ADMIN}))
        keys = [create_key(ADMIN, command) for _ in range(2)]

        sent = [{"X-Auth-Token": key.text.value} for key in keys]

        def revoke(number: int) -> int:
            path = f"/api/keys/{keys[1 - number].view.key.id}"
            return service.http.delete(path, headers=sent[number]).status_code

        with ThreadPoolExecutor(2) as pool:
            answers = sorted(pool.map(revoke, range(2)))
            # If the second request comes after the first has ended, its key is not valid.
            assert answers in ([200, 401], [200, 409])
            opened = [service.http.get("/api/keys", headers=headers).status_code for headers in sent]
            assert sorted(opened) == [200, 401]


def test_the_last_administrators_key_takes_force(tmp_path):
    with serving(tmp_path, auth=AuthMode.KEYS) as service:
        command = CreateKeyCommand(name="x", scopes=frozenset({Scope.ADMIN}))
        issued = service.container.services().create_key(ADMIN, command)
        path, headers = f"/api/keys/{issued.view.key.id}", {"X-Auth-Token": issued.text.value}

        assert "force" in assert_problem(service.http.delete(path, headers=headers), 409)["detail"]
        forced = service.http.delete(path, headers=headers, params={"force": "true"})

        assert forced.json()["status"] == "REVOKED"


def test_a_tenant_is_made_read_and_listed(service: Service, admin):
    quota = {"running": 3, "timeout_ms": 5_000}

    made = service.http.post("/api/tenants", headers=admin, json={"tenant": "made", "quota": quota})

    assert made.status_code == 200
    assert made.json() == {**made.json(), "tenant": "made", "status": "ACTIVE", "quota": quota}
    assert service.http.get("/api/tenants/made", headers=admin).json() == made.json()
    listed = service.http.get("/api/tenants", headers=admin).json()
    assert made.json() in listed
    assert "default" in [tenant["tenant"] for tenant in listed]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/tenant"),
        ({"tenant": ""}, "/tenant"),
        ({"tenant": "Acme"}, "/tenant"),
        ({"tenant": "-acme"}, "/tenant"),
        ({"tenant": "a" * 64}, "/tenant"),
        ({"tenant": "../acme"}, "/tenant"),
        ({"tenant": 3}, "/tenant"),
        ({"tenant": "fine", "quota": {"running": -1}}, "/quota/running"),
        ({"tenant": "fine", "quota": {"running": True}}, "/quota/running"),
        ({"tenant": "fine", "quota": {"jobs": 1}}, "/quota/jobs"),
        ({"tenant": "fine", "status": "ACTIVE"}, "/status"),
    ],
)
def test_a_tenant_that_breaks_a_rule_is_refused_where_it_does(service: Service, admin, body, pointer):
    problem = assert_problem(service.http.post("/api/tenants", headers=admin, json=body), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert_problem(service.http.get("/api/tenants/fine", headers=admin), 404)


def test_a_name_is_never_given_anew(service: Service, admin, tenant):
    service.http.delete(f"/api/tenants/{tenant}", headers=admin).raise_for_status()

    again = service.http.post("/api/tenants", headers=admin, json={"tenant": tenant})

    assert "names are never reused" in assert_problem(again, 409)["detail"]


def test_a_suspended_tenant_reads_and_starts_nothing_until_it_is_resumed(
    service: Service, admin, key_of, tenant
):
    headers = key_of(Scope.JOBS_READ, Scope.JOBS_WRITE, tenant=tenant)
    path = f"/api/tenants/{tenant}"
    program = {"project": "demo", "code": "print(1)", "language": "python"}

    suspended = service.http.patch(path, headers=admin, json={"status": "SUSPENDED"})
    assert suspended.json()["status"] == "SUSPENDED"
    poll(lambda: service.http.post("/api/upload", headers=headers, json=program).status_code == 409)
    assert service.http.get("/api/jobs", headers=headers).status_code == 200
    resumed = service.http.patch(path, headers=admin, json={"status": "ACTIVE"})
    assert resumed.json()["status"] == "ACTIVE"
    poll(lambda: service.http.post("/api/upload", headers=headers, json=program).status_code == 200)


@pytest.mark.parametrize("body", [{}, {"status": "DELETED"}, {"status": "active"}, {"quota": {}}])
def test_a_change_that_breaks_a_rule_is_refused(service: Service, admin, tenant, body):
    assert_problem(service.http.patch(f"/api/tenants/{tenant}", headers=admin, json=body), 422)


def test_a_quota_takes_the_place_of_the_whole_one_before(service: Service, admin, tenant):
    path = f"/api/tenants/{tenant}"
    everything = dict.fromkeys(QUOTA_NAMES, 1_000) | {"max_priority": 5}

    assert service.http.put(f"{path}/quota", headers=admin, json=everything).json()["quota"] == everything
    changed = service.http.put(f"{path}/quota", headers=admin, json={"waiting": 0, "running": None})

    assert changed.json()["quota"] == {"waiting": 0}
    assert service.http.get(path, headers=admin).json() == changed.json()
    assert service.http.put(f"{path}/quota", headers=admin, json={}).json()["quota"] == {}


@pytest.mark.parametrize(
    ("quota", "pointer"),
    [
        ({"running": -1}, "/running"),
        ({"stored_bytes": 2**63}, "/stored_bytes"),
        ({"max_priority": 10}, "/max_priority"),
        ({"timeout_ms": 1}, "/timeout_ms"),
        ({"running": 1.5}, "/running"),
        ({"jobs": 1}, "/jobs"),
    ],
)
def test_a_figure_that_breaks_its_rule_is_refused_where_it_does(
    service: Service, admin, tenant, quota, pointer
):
    answer = service.http.put(f"/api/tenants/{tenant}/quota", headers=admin, json=quota)

    assert [fault["pointer"] for fault in assert_problem(answer, 422)["errors"]] == [pointer]


def test_a_deleted_tenants_keys_open_nothing_and_its_jobs_go(service: Service, admin, key_of, tenant):
    headers = key_of(Scope.JOBS_READ, Scope.JOBS_WRITE, tenant=tenant)
    program = {"project": "demo", "code": "print(1)", "language": "python"}
    service.http.post("/api/upload", headers=headers, json=program).raise_for_status()

    deleted = service.http.delete(f"/api/tenants/{tenant}", headers=admin)

    assert deleted.json()["status"] == "DELETED"
    poll(lambda: service.http.get("/api/jobs", headers=headers).status_code == 401)
    listed = service.http.get("/api/keys", headers=admin, params={"tenant": tenant}).json()
    assert [key["status"] for key in listed] == ["REVOKED"]
    reader = service.container.services().job_reader
    poll(lambda: not reader.page(a_caller(tenant), JobFilter(limit=10)).jobs)
    assert_problem(create(service, admin, tenant=tenant), 409)
    assert_problem(
        service.http.patch(f"/api/tenants/{tenant}", headers=admin, json={"status": "ACTIVE"}), 409
    )
    assert_problem(service.http.put(f"/api/tenants/{tenant}/quota", headers=admin, json={}), 409)


def test_the_default_tenant_cannot_be_deleted(service: Service, admin):
    refused = service.http.delete("/api/tenants/default", headers=admin)

    assert "cannot be deleted" in assert_problem(refused, 409)["detail"]


@pytest.mark.parametrize("name", ["unknown", "Acme", "%2e%2e", "a%2fb", "테넌트"])
def test_there_is_no_unknown_tenant(service: Service, admin, name):
    path = f"/api/tenants/{name}"
    for method, more, body in (
        ("GET", "", None),
        ("PATCH", "", {"status": "ACTIVE"}),
        ("DELETE", "", None),
        ("PUT", "/quota", {}),
    ):
        assert_problem(service.http.request(method, path + more, headers=admin, json=body), 404)


def test_tenants_are_for_administrators(service: Service, key_of):
    headers = key_of(*(frozenset(Scope) - {Scope.ADMIN}))

    for method, path in (
        ("GET", "/api/tenants"),
        ("POST", "/api/tenants"),
        ("GET", "/api/tenants/default"),
        ("PATCH", "/api/tenants/default"),
        ("DELETE", "/api/tenants/default"),
        ("PUT", "/api/tenants/default/quota"),
    ):
        refused = assert_problem(service.http.request(method, path, headers=headers, json={}), 403)
        assert "'admin'" in refused["detail"]


def test_keys_and_tenants_are_out_of_reach_where_callers_are_not_asked_for_keys(whole_service: Service):
    for path, scope in (("/api/keys", "keys:write"), ("/api/tenants", "admin")):
        assert f"'{scope}'" in assert_problem(whole_service.http.get(path), 403)["detail"]


def test_a_log_is_linked_for_callers_with_logs_read_alone(service: Service, key_of, tenant):
    writer = key_of(Scope.JOBS_READ, Scope.JOBS_WRITE, tenant=tenant)
    reader = key_of(Scope.JOBS_READ, Scope.LOGS_READ, tenant=tenant)
    program = {"project": "demo", "code": "print(1)", "language": "python", "execute": True}
    http = service.http

    ran = http.post("/api/upload?wait=20", headers=writer, json=program).raise_for_status().json()
    job = f"/api/jobs/{ran['job_id']}"
    paths = (job, f"{job}/status", f"{job}/events", "/api/jobs", "/api/projects/demo/jobs")

    assert ran["log_key"]
    assert (ran["logs_url"], ran["data"]["result"]["logs_url"]) == (None, None)
    for path in paths:
        assert "/api/log-link" not in http.get(path, headers=writer).raise_for_status().text
        assert "/api/log-link" in http.get(path, headers=reader).raise_for_status().text


def test_a_tenant_s_retention_is_in_force_for_its_projects_and_an_administrator_s_to_set(
    service: Service, key_of, admin, tenant
):
    none = {"jobs_days": None, "logs_days": None, "pending_days": None}
    path, headers = (
        f"/api/tenants/{tenant}/retention",
        key_of(Scope.JOBS_READ, Scope.PROJECTS_WRITE, tenant=tenant),
    )
    service.http.post("/api/project", params={"project_name": "p"}, headers=headers).raise_for_status()
    policy = {**none, "logs_days": 7, "pending_days": 0.5}

    made = service.http.put(path, headers=admin, json={"logs_days": 7, "pending_days": 0.5})

    assert made.json() == {"policy": policy, "in_force": policy}
    assert service.http.get(path, headers=admin).json() == made.json()
    own = service.http.put(
        "/api/projects/p/retention", headers=headers, json={"jobs_days": 365, "logs_days": "forever"}
    )
    assert own.json()["in_force"] == {"jobs_days": 365, "logs_days": "forever", "pending_days": 0.5}
    assert_problem(service.http.put(path, headers=headers, json={}), 403)
    assert_problem(service.http.get(path, headers=headers), 403)
    reader = key_of(Scope.JOBS_READ, tenant=tenant)
    assert service.http.get("/api/projects/p/retention", headers=reader).json() == own.json()
    assert_problem(service.http.put("/api/projects/p/retention", headers=reader, json={}), 403)
    assert_problem(service.http.get("/api/tenants/no-such/retention", headers=admin), 404)
    assert_problem(service.http.put("/api/tenants/no-such/retention", headers=admin, json={}), 404)
