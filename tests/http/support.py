import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar
from uuid import UUID

import httpx
import sqlalchemy as sa

from adapters.sql.tables import jobs, pending_deletions, projects
from application.commands import CreateKeyCommand
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint
from domain.caller import Scope
from domain.job_lifecycle import JobStatus
from domain.limits import STANDARD_LIMITS
from domain.tenant import TenantName
from domain.values import JobId
from entrypoints.container import Container, build_container
from entrypoints.http.app import create_app
from entrypoints.http.server import HttpServer
from entrypoints.http.site import Site
from entrypoints.http.streaming.job_notifier import JobNotifier
from tests.http.api_document import ApiDocument
from tests.support.callers import a_caller
from tests.support.databases import make_tables
from tests.support.files import files_below
from tests.support.keys import bearer
from tests.support.no_tls import NO_TLS
from tests.support.processes import PATIENCE_S
from tests.support.remembered_handlers import remember_handlers
from tests.support.scripted_engine import ScriptedEngine
from tests.support.settings import settings_of

remember_handlers()

T = TypeVar("T")
PROBLEM = {"type", "title", "status", "detail", "instance", "request_id"}
_AT_TIMES = {"errors", "dependencies", "code", "values", "candidates", "trace_id"}
_OF_QUOTAS = {"quota", "used", "allowed"}
# A list over the API of the hundreds of jobs of earlier tests takes 30 ms, and rows take one.
_KEPT = ((jobs.c.job_id,), (projects.c.project_id, *projects.c))
UNKNOWN_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
# That of the first service which answered.
_DOCUMENT: list[ApiDocument] = []


class FixedMetrics(ClusterMetrics):
    """One cluster, of which one thing was measured once."""

    def utilization(self, cluster, _minutes, _period_s):
        noon = datetime(2025, 1, 31, 12, tzinfo=UTC)
        return [MetricPoint(noon, 12.5, None)] if cluster == "local" else []

    def metric_names(self, cluster):
        return ["CPUUtilization"] if cluster == "local" else []


@dataclass
class Service:
    """A whole service in this process, that listens on a port of its own; only its engine is scripted."""

    http: httpx.Client
    container: Container
    engine: ScriptedEngine
    server: HttpServer
    notifier: JobNotifier

    def upload(self, **changed: object) -> dict:
        """Upload a program, with defaults for all that a test leaves out."""
        body = {"project": "demo", "code": "print(1)", "language": "python", **changed}
        response = self.http.post("/api/upload", json=body)
        assert response.status_code == 200, response.text
        return response.json()

    def run(self, **changed: object) -> dict:
        """Run a program to its end."""
        job_id = self.upload(**changed)["job_id"]
        response = self.http.post(f"/api/execute/{job_id}", params={"wait": 20})
        assert response.status_code == 200, response.text
        return response.json()

    def is_waited_for(self, job_id: str) -> bool:
        """Return whether a handler waits for changes of a job."""
        return JobId(UUID(job_id)) in self.notifier.listened()

    def running(self) -> list[dict]:
        """Return jobs that have not ended, and whose execution was requested."""
        return self.http.get("/api/jobs", params={"status": "RUNNING"}).raise_for_status().json()

    def is_busy(self) -> bool:
        """Return whether a job is running: without a request, in a tenth of its time."""
        running = sa.select(jobs.c.job_id).where(jobs.c.status == JobStatus.RUNNING.value).limit(1)
        with self.container.database().connect() as connection:
            return connection.execute(running).first() is not None

    def is_removing(self) -> bool:
        """Return whether objects of deleted jobs are still there."""
        with self.container.database().connect() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(pending_deletions)) > 0

    def stored(self) -> tuple[object, ...]:
        """Name all that is kept, to compare it, once deleted objects are gone."""
        poll(lambda: not self.is_removing())
        with self.container.database().connect() as connection:
            rows = [connection.execute(sa.select(*columns)).all() for columns in _KEPT]
        data_dir = self.container.settings().data_dir
        return *map(sorted, rows), sorted(files_below(data_dir / "code"))


@contextmanager
def serving(
    data_dir: Path, prepare: Callable[[Container], object] = lambda _container: None, **settings: object
) -> Iterator[Service]:
    """Serve a fresh service until the context ends; `prepare` may override its parts before."""
    make_tables(data_dir)
    # Its tests cut no power, and a disk that is busy with other tests holds up each commit for seconds.
    environment = settings_of(data_dir=data_dir, **{"sqlite_synchronous": "normal", **settings})
    container = build_container(environment, STANDARD_LIMITS)
    engine = ScriptedEngine()
    container.engine.override(engine)
    container.cluster_metrics.override(FixedMetrics())
    prepare(container)
    services = container.services()
    site = Site.of(environment, services)
    app = create_app(environment, container.limit_policy(), container.ports(), services, site)
    server = HttpServer(app, environment.trusted_proxies)
    background = container.background_services()
    background.start()
    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=server.run, args=([listener],), name="server")
    thread.start()
    port = listener.getsockname()[1]
    try:
        hooks: dict[str, list[Callable[..., Any]]] = {"response": [_hold_against_the_document]}
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S, verify=NO_TLS, event_hooks=hooks
        ) as http:
            yield Service(http, container, engine, server, app.state.notifier)
    finally:
        server.should_exit = True
        thread.join(90)
        listener.close()
        background.stop()
        assert not thread.is_alive()


def _hold_against_the_document(response: httpx.Response) -> None:
    """Check an answer; no setting changes the description of one, and to make the document takes 0.2 s."""
    if not _DOCUMENT:
        url = response.request.url.copy_with(raw_path=b"/openapi.json")
        document = httpx.get(url, verify=NO_TLS, timeout=PATIENCE_S).raise_for_status().json()
        _DOCUMENT.append(ApiDocument(document))
    _DOCUMENT[0].check(response)


def assert_problem(response: httpx.Response, status: int) -> dict:
    """Check that an answer is an error in the one form that errors have, and return it."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert set(problem) - {
        "errors",
        "dependencies",
        "code",
        "values",
        "candidates",
        "trace_id",
    } == PROBLEM | (_OF_QUOTAS if status == 429 else set())
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert problem["detail"]
    assert isinstance(problem["detail"], str)
    return problem


def header_of_new_key(
    service: Service, *scopes: Scope, tenant: str, project: str | None = None
) -> dict[str, str]:
    """Make a key as an administrator does; return the header that brings it."""
    command = CreateKeyCommand(
        name="a key", scopes=frozenset(scopes), tenant=TenantName(tenant), project=project
    )
    issued = service.container.services().create_key(a_caller("default"), command)
    return bearer(issued.text.value)


def poll(look: Callable[[], T]) -> T:
    """Look until there is something to see, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return seen
