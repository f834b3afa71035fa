"""Who is let in to each route, by the application's own table of routes."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event

import httpx
import pytest
import sqlalchemy as sa
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from adapters.sql.tables import audit_journal, audit_ledger
from application.ports.execution_engine import EngineReport
from domain.api_key import KeyText
from domain.audit import Act
from domain.caller import Scope
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from domain.tenant import TenantTrigger
from entrypoints.cli.logging_setup import Lines, LogFieldsFilter
from entrypoints.http.callers import SCOPE
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll, serving
from tests.support.keys import Keys, bearer
from tests.support.raw_http import answer, connect

# The routes that need no caller: all others take a scope. A completion is signed.
OPEN = {
    "GET /",
    "GET /api/health",
    # By a signed link.
    "GET /api/log-link",
    "GET /health/live",
    "GET /health/ready",
    "GET /openapi.json",
    "GET /redoc",
    "GET /docs",
    "GET /docs/openapi.json",
    "GET /docs/{path:str}",
    "GET /docs/static/{file_path:path}",
    "HEAD /docs/static/{file_path:path}",
    "GET /dashboard/static/{digest:str}/{path:path}",
    "POST /dashboard/language",
    "GET /dashboard/sign-in",
    "POST /dashboard/sign-in",
    "GET /dashboard/sign-in/provider",
    "GET /dashboard/sign-in/return",
    "POST /dashboard/sign-out",
    "POST /dashboard/sign-out/everywhere",
    "POST /api/executions/{execution_id:str}/completion",
}
# Routes that name a thing of another tenant and answer as if there were none, rather than with 404.
EMPTY_FOR_UNKNOWN = {"GET /api/projects/{project:str}/jobs"}
CODE = "print('a secret of acme')"


@dataclass(frozen=True)
class Guarded:
    """A service that asks for keys, with a job and a key of the tenant `acme`."""

    service: Service
    keys: Keys
    key: str
    names: Mapping[str, str]

    @property
    def routes(self) -> Mapping[str, HTTPRouteHandler]:
        """The handlers of the routes that need a caller, by `METHOD /path`."""
        every = handlers(self.service.server.config.app)
        return {name: handler for name, handler in every if handler.opt[SCOPE] is not None}

    def call(self, route: str, headers: Mapping[str, str], **request: object) -> httpx.Response:
        """Make the request of a route, about acme's things."""
        method, _, path = route.partition(" ")
        url = re.sub(r"\{(\w+):\w+\}", lambda parameter: self.names[parameter[1]], path)
        return self.service.http.request(method, url, headers=dict(headers), **request)

    def ask(self, path: str, key: str, **request: object) -> httpx.Response:
        """Get a path with a key."""
        return self.service.http.get(path, headers=bearer(key), **request)


def handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Name every route as `METHOD /path`, and its handler. OPTIONS is answered by the framework itself."""
    for route in app.routes:
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                yield f"{method} {route.path}", handler


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    directory = tmp_path_factory.mktemp("guarded")
    with serving(directory, auth="keys", max_failed_keys_per_minute=1_000_000) as service:
        keys = Keys(service.container.unit_of_work())
        key = keys.add("acme")
        body = {"project": "of-acme", "code": CODE, "language": "python", "execute": True}
        done = service.http.post("/api/upload?wait=20", json=body, headers=bearer(key)).raise_for_status()
        job = done.json()
        (project,) = service.http.get("/api/projects", headers=bearer(key)).json()
        (stored,) = service.http.get("/api/keys", headers=bearer(key)).json()
        subscription = {"url": "https://of-acme.example/hook", "project": "of-acme"}
        hook = service.http.post("/api/webhooks", json=subscription, headers=bearer(key)).json()
        kept = {"jobs": [{**body, "execute": False}]}
        batch = service.http.post("/api/batches", json=kept, headers=bearer(key)).raise_for_status().json()
        names = {
            "job": job["job_id"],
            "jobId": job["job_id"],
            "project": str(project["project_id"]),
            "clusterName": "local",
            "key_id": stored["key_id"],
            "tenant": "acme",
            "session": UNKNOWN_ID,
            "webhook_id": hook["webhook_id"],
            "delivery_id": UNKNOWN_ID,
            "batch": batch["batch_id"],
            "batchId": batch["batch_id"],
            "name": "a-case-set",
            "path": "an-artifact.txt",
            "stream": "stdout",
            "log_key": job["log_key"],
        }
        yield Guarded(service, keys, key, names)


def without_ids(response: httpx.Response) -> object:
    """Return an answer but for what differs between any two."""
    text = response.text.replace(response.headers["x-request-id"], "")
    return response.status_code, re.sub(r'"instance":"[^"]*"', "", text), response.headers["www-authenticate"]


def test_every_route_takes_a_scope_or_says_that_it_needs_no_caller(whole_service: Service):
    routes = dict(handlers(whole_service.server.config.app))
    undeclared = [name for name, handler in routes.items() if SCOPE not in handler.opt]
    assert not undeclared, f"declare `scope=...` at {undeclared}"
    assert {handler.opt[SCOPE] for handler in routes.values()} <= {None, *Scope}


def test_the_routes_that_need_no_caller_are_known(whole_service: Service):
    routes = dict(handlers(whole_service.server.config.app))
    assert {name for name, handler in routes.items() if handler.opt[SCOPE] is None} == OPEN


NO_KEYS: Mapping[str, Callable[[Keys], Mapping[str, str]]] = {
    "no key": lambda _keys: {},
    "an empty key": lambda _keys: {"X-Auth-Token": ""},
    "another scheme": lambda keys: {"Authorization": f"Basic {keys.add()}"},
    "a malformed key": lambda _keys: bearer("ssk_malformed"),
    "a key with a wrong digit": lambda keys: bearer(keys.add()[:-1] + "-"),
    "an unknown key": lambda _keys: bearer(KeyText.generate().value),
    "an expired key": lambda keys: bearer(keys.add(expires_at=datetime.now(UTC) - timedelta(seconds=1))),
    "a revoked key": lambda keys: bearer(keys.add(revoked_at=datetime.now(UTC))),
    "a deleted tenant's key": lambda keys: bearer(_of_deleted(keys)),
    "two different keys": lambda keys: {**bearer(keys.add()), "X-Auth-Token": keys.add()},
    "a cookie": lambda keys: {"Cookie": f"key={keys.add()}"},
}


def _of_deleted(keys: Keys) -> str:
    name = f"gone-{KeyText.generate().value[4:20].lower()}"
    key = keys.add(name)
    keys.change(name, TenantTrigger.DELETE)
    return key


@pytest.mark.parametrize("reason", NO_KEYS)
def test_every_route_refuses_a_request_without_a_good_key_in_the_same_words(guarded: Guarded, reason):
    headers = NO_KEYS[reason](guarded.keys)
    expected = without_ids(guarded.call("GET /api/jobs", {}))

    for route in guarded.routes:
        response = guarded.call(route, headers)

        assert response.status_code == 401, f"{route}: {response.text}"
        assert response.headers["www-authenticate"] == "Bearer"
        if not route.partition(" ")[2].startswith("/dashboard"):
            assert_problem(response, 401)
            assert without_ids(response) == expected, route


def test_every_route_names_the_scope_that_a_key_lacks(guarded: Guarded):
    for route, handler in guarded.routes.items():
        scope = handler.opt[SCOPE]
        key = guarded.keys.add("acme", frozenset(Scope) - {scope, Scope.ADMIN})

        response = guarded.call(route, bearer(key))

        assert response.status_code == 403, f"{route}: {response.text}"
        assert str(scope) in response.text


def test_a_scope_is_enough_for_every_route_that_takes_it_and_admin_for_all(guarded: Guarded):
    admin = guarded.keys.add("admins", frozenset({Scope.ADMIN}))
    for route, handler in guarded.routes.items():
        key = guarded.keys.add("other", frozenset({handler.opt[SCOPE]}))
        for one in (key, admin):
            # The body is not one of any route: the request is refused for it, and not for its caller.
            response = guarded.call(
                route.replace("{tenant:str}", "nowhere"), bearer(one), content=b"{", timeout=30
            )

            missing = f"'{handler.opt[SCOPE]}' is missing"
            assert response.status_code != 401, f"{route}: {response.text}"
            assert missing not in response.text, f"{route}: {response.text}"


def test_no_route_shows_a_thing_of_another_tenant(guarded: Guarded):
    key = guarded.keys.add("other", frozenset(Scope) - {Scope.ADMIN})
    of_acme = (CODE, "a secret of acme", "of-acme")
    owned = {"{job:", "{jobId:", "{project:", "{key_id:", "{webhook_id:", "{batch:", "{batchId:"}

    for route, handler in guarded.routes.items():
        if handler.opt[SCOPE] is Scope.ADMIN:
            continue
        query = {"log_key": guarded.names["log_key"]} if route == "GET /api/log" else {}
        if route.endswith("/matches"):
            query = {"text": "a secret"}
        response = guarded.call(route, bearer(key), params=query, timeout=30)

        assert not any(thing in response.text for thing in of_acme), f"{route}: {response.text}"
        if route in EMPTY_FOR_UNKNOWN:
            assert response.status_code == 200
        elif "POST /dashboard" in route:
            assert response.status_code == 403, f"{route}: {response.text}"  # no form of this service's
        elif route == "GET /api/log" or any(name in route for name in owned):
            # A request that lacks its body is refused for that, whoever's thing it names.
            expected = {404, 422} if route.startswith(("PATCH", "PUT")) else {404}
            assert response.status_code in expected, f"{route}: {response.text}"

    # All of it is there still, for its own tenant.
    assert guarded.ask(f"/api/jobs/{guarded.names['jobId']}", guarded.key).json()["status"] == "SUCCESS"
    assert guarded.ask("/api/log", guarded.key, params={"log_key": guarded.names["log_key"]}).is_success


def recorded(service: Service, subject: str) -> list[tuple[str | None, str, str, str]]:
    """Return the tenant, principal, address and outcome of the refusals of a request, by the database."""
    refusals = [
        sa.select(table.c.tenant, table.c.principal, table.c.address, table.c.outcome).where(
            table.c.act == Act.ACCESS_REFUSE, table.c.subject == subject
        )
        for table in (audit_journal, audit_ledger)
    ]
    with service.container.database().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.union_all(*refusals))]


def test_a_bad_key_and_a_missing_scope_are_recorded(tmp_path):
    with serving(tmp_path, auth="keys") as service:
        keys = Keys(service.container.unit_of_work())
        revoked, unknown = keys.add(revoked_at=datetime.now(UTC)), KeyText.generate().value
        reader = keys.add("acme", frozenset({Scope.JOBS_READ}))

        service.http.get("/api/jobs", headers=bearer(revoked))
        service.http.get("/api/projects", headers=bearer(unknown))
        service.http.get("/api/projects")
        service.http.post(f"/api/cancel/{UNKNOWN_ID}", headers=bearer(reader))

        (of_revoked,) = poll(lambda: recorded(service, "GET /api/jobs"))
        (of_unknown,) = poll(lambda: recorded(service, "GET /api/projects"))
        (of_reader,) = poll(lambda: recorded(service, f"POST /api/cancel/{UNKNOWN_ID}"))
        assert of_revoked == ("acme", f"key:{keys.id(revoked)}", "127.0.0.1", "not_authenticated")
        assert of_unknown == (None, "unknown", "127.0.0.1", "not_authenticated")
        assert of_reader == ("acme", f"key:{keys.id(reader)}", "127.0.0.1", "scope_missing")


def test_a_key_may_come_in_either_header_and_in_both(guarded: Guarded):
    for headers in (
        bearer(guarded.key),
        {"authorization": f"bearer {guarded.key}"},
        {"X-Auth-Token": guarded.key},
        {**bearer(guarded.key), "X-Auth-Token": guarded.key},
    ):
        assert guarded.call("GET /api/jobs", headers).status_code == 200


def test_a_request_is_refused_before_its_body_is_read(guarded: Guarded):
    head = "POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with connect(guarded.service.http.base_url) as connection:
        connection.sendall(f"{head}Connection: close\r\nContent-Length: 1000000\r\n\r\n".encode())
        refusal = answer(connection)

    assert refusal.status_code == 401


@pytest.mark.parametrize(
    "query",
    [
        "access_token=anything",
        "API_KEY=1",
        "limit=1&api_key=1",
        "key={key}",
        "input_data=x{key}",
        "limit={key}",
        "{key}",
        "{key}=1",
        "key=%73sk_{rest}",
    ],
)
@pytest.mark.parametrize("path", ["/api/jobs", "/api/nothing", "/api/health", "/dashboard"])
def test_a_key_in_a_url_is_refused(guarded: Guarded, path, query):
    key = guarded.keys.add()

    response = guarded.service.http.get(f"{path}?{query.format(key=key, rest=key[4:])}", headers=bearer(key))

    assert "Authorization" in assert_problem(response, 400)["detail"]
    assert key not in response.text


def test_no_line_of_the_log_has_a_key(guarded: Guarded, caplog: pytest.LogCaptureFixture):
    key = guarded.keys.add()
    with caplog.at_level(logging.DEBUG), caplog.filtering(LogFieldsFilter()):
        for path in (f"/api/jobs/{key}", f"/api/{key}?key={key}", f"/api/jobs?cursor={key}"):
            headers = {**bearer(key), "X-Request-ID": key, "User-Agent": key, "Origin": f"http://{key}"}
            response = guarded.service.http.get(path, headers=headers)
            assert key not in response.headers["x-request-id"]
        logging.getLogger("service_server.http").error("%s failed", key, exc_info=ValueError(key))
        poll(lambda: any("path=/api/jobs " in record.getMessage() for record in caplog.records))

    lines = [Lines().format(record) for record in caplog.records]
    assert any(key in record.getMessage() for record in caplog.records)
    assert not [line for line in lines if key in line]
    assert any("ssk_..." in line for line in lines)


def test_a_suspended_tenant_reads_and_cancels_and_starts_nothing(guarded: Guarded):
    key = guarded.keys.add("suspended")
    http, headers = guarded.service.http, bearer(key)
    body = {"project": "p", "code": "1", "language": "python"}
    job_id = http.post("/api/upload", json=body, headers=headers).raise_for_status().json()["job_id"]
    path = f"/api/jobs/{job_id}/status"

    guarded.keys.change("suspended", TenantTrigger.SUSPEND)
    refusal = poll(lambda: _refused(http.post("/api/upload", json=body, headers=headers)))

    assert "SUSPENDED" in assert_problem(refusal, 409)["detail"]
    assert "SUSPENDED" in assert_problem(http.post(f"/api/execute/{job_id}", headers=headers), 409)["detail"]
    assert http.get(path, headers=headers).json()["status"] == "PENDING"
    assert http.post(f"/api/cancel/{job_id}", headers=headers).json()["status"] == "CANCELLED"
    for method, change in (
        ("POST", "/api/project?project_name=another"),
        ("POST", "/api/projects/p/archive"),
        ("POST", "/api/projects/p/restore"),
        ("DELETE", "/api/projects/p"),
        ("DELETE", "/api/projects/p?purge=true"),
        ("DELETE", f"/api/jobs/{job_id}"),
        ("DELETE", "/api/projects/p/case-sets/sums"),
    ):
        assert "SUSPENDED" in assert_problem(http.request(method, change, headers=headers), 409)["detail"]
    (project,) = http.get("/api/projects", headers=headers).json()
    assert (project["project"], project["status"]) == ("p", "ACTIVE")

    guarded.keys.change("suspended", TenantTrigger.DELETE)
    assert_problem(poll(lambda: _refused(http.get(path, headers=headers))), 401)


def _refused(response: httpx.Response) -> httpx.Response | None:
    return response if response.is_client_error else None


@pytest.fixture
def running(guarded: Guarded) -> Iterator[tuple[str, str]]:
    """A key of a new tenant, and the id of a job of it, whose program runs until the test ends."""
    may_end = Event()

    def wait(_request, observer):
        observer.started()
        may_end.wait()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))

    service = guarded.service
    service.engine.program = wait
    key = guarded.keys.add(f"runs-{KeyText.generate().value[4:20].lower()}")
    body = {"project": "p", "code": "1", "language": "python", "execute": True}
    try:
        yield key, service.http.post("/api/upload", json=body, headers=bearer(key)).json()["job_id"]
    finally:
        may_end.set()


@pytest.mark.parametrize("stream", ["events", "output"])
@pytest.mark.parametrize("end", ["key revoked", "tenant deleted"])
def test_an_open_stream_ends_with_its_key(guarded: Guarded, running, stream, end):
    # How soon is shown where nothing else is in the process: in tests/chaos/test_revoked_keys.py.
    key, job_id = running
    with guarded.service.http.stream("GET", f"/api/jobs/{job_id}/{stream}", headers=bearer(key)) as response:
        pieces = response.iter_text()
        assert next(pieces)

        if end == "key revoked":
            guarded.keys.revoke(key)
        else:
            guarded.keys.change(guarded.keys.tenant(key), TenantTrigger.DELETE)
        rest = "".join(pieces)

    if end == "key revoked":  # the jobs of a deleted tenant end
        assert "event: end" not in rest
    assert guarded.ask(f"/api/jobs/{job_id}/{stream}", key).status_code == 401


def test_a_wait_ends_with_its_key(guarded: Guarded, running):
    key, job_id = running
    path = f"/api/jobs/{job_id}/status?wait=30"
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(guarded.ask, path, key)
        poll(lambda: guarded.service.is_waited_for(job_id))
        guarded.keys.revoke(key)

        assert_problem(waiting.result(), 401)  # and not the job's status, when the wait is over


def test_a_stream_of_a_suspended_tenant_goes_on(guarded: Guarded, running):
    key, job_id = running
    with guarded.service.http.stream("GET", f"/api/jobs/{job_id}/events", headers=bearer(key)) as response:
        pieces = response.iter_text()
        assert next(pieces)
        guarded.keys.change(guarded.keys.tenant(key), TenantTrigger.SUSPEND)
        body = {"project": "p", "code": "1", "language": "python"}
        poll(lambda: _refused(guarded.service.http.post("/api/upload", json=body, headers=bearer(key))))

        guarded.service.http.post(f"/api/cancel/{job_id}", headers=bearer(key)).raise_for_status()

        assert "event: end" in "".join(pieces)


def test_an_address_with_too_many_bad_keys_is_refused_all_but_known_ones(tmp_path):
    with serving(tmp_path, auth="keys", max_failed_keys_per_minute=3) as service:
        keys = Keys(service.container.unit_of_work())
        known, unknown = keys.add(), KeyText.generate().value
        assert service.http.get("/api/jobs", headers=bearer(known)).status_code == 200
        for _ in range(3):
            assert service.http.get("/api/jobs", headers=bearer(unknown)).status_code == 401

        refusal = service.http.get("/api/jobs", headers=bearer(unknown))
        problem = assert_problem(refusal, 429)
        assert (problem["quota"], problem["used"], problem["allowed"]) == ("failed_keys_per_minute", 3, 3)
        assert 1 <= int(refusal.headers["retry-after"]) <= 60
        assert service.http.get("/api/jobs", headers=bearer(KeyText.generate().value)).status_code == 429
        assert service.http.get("/api/jobs", headers=bearer(known)).status_code == 200
        assert service.http.get("/api/jobs").status_code == 401  # no key is no guess


def test_without_keys_the_default_tenant_may_be_suspended(tmp_path):
    with serving(tmp_path) as service:
        body = {"project": "p", "code": "1", "language": "python"}
        assert service.http.post("/api/upload", json=body).status_code == 200

        Keys(service.container.unit_of_work()).change("default", TenantTrigger.SUSPEND)

        assert_problem(poll(lambda: _refused(service.http.post("/api/upload", json=body))), 409)
        assert len(service.http.get("/api/jobs").raise_for_status().json()) >= 1


def test_a_page_of_an_allowed_origin_may_bring_a_key(whole_service: Service):
    asked = {
        "Origin": "http://localhost:5173",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-auth-token",
    }

    allowed = whole_service.http.options("/api/upload", headers=asked)

    names = allowed.headers["access-control-allow-headers"].lower().replace(" ", "").split(",")
    assert {"authorization", "content-type", "idempotency-key", "x-auth-token"} <= set(names)


def test_without_keys_a_key_is_not_looked_at(whole_service: Service):
    for headers in (bearer("ssk_nonsense"), {"X-Auth-Token": "nonsense"}):
        assert whole_service.http.get("/api/jobs", headers=headers).status_code == 200
    assert whole_service.http.get("/api/jobs?access_token=1").status_code == 200
    refusal = assert_problem(whole_service.http.get("/api/keys"), 403)
    assert refusal["detail"].startswith("the scope 'keys:write' is missing: ")
    assert "SERVICE_SERVER_AUTH=keys" in refusal["detail"]
