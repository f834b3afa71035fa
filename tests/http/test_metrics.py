"""`/metrics` of a service."""

from collections import defaultdict
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa
from litestar.routes import HTTPRoute
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from adapters.sql import tables
from adapters.sql.mapping import execution_values, job_values
from application.event_meter import EventMeter
from application.messages import Message, MessageId
from application.metrics import MAX_ROUTES
from domain.caller import Scope
from domain.events import JobCompleted, JobSubmitted
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.submission import JobSpec
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ObjectKey
from entrypoints.http.request_metrics import UNMATCHED, RequestMeter, route_of
from entrypoints.metrics_format import wants_openmetrics
from tests.http.support import Service, assert_problem, serving
from tests.support.keys import Keys, bearer
from tests.support.memory.message_relay import MemoryMessageRelay
from tests.support.samples import NOW, the_project

# Of a process, for all that its callers do.
MAX_SERIES = 5_000
TENANTS, COUNTED = 1_000, 100_000

# As Prometheus 2.42 asks.
PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def scrape(http: httpx.Client, **labels: str) -> dict[str, float]:
    """Return the samples with these labels, by their names, summed over all others."""
    response = http.get("/metrics")
    assert response.status_code == 200, response.text
    found: dict[str, float] = {}
    for family in parse_text(response.text):
        for sample in family.samples:
            if labels.items() <= sample.labels.items():
                found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def test_requests_are_counted_by_their_routes(service: Service):
    route = "GET /api/jobs/{jobId}/status"
    before = scrape(service.http, route=route)
    job_id = service.upload()["job_id"]

    for path in (f"/api/jobs/{job_id}/status", "/api/jobs/nothing/status"):
        service.http.get(path)
    service.http.head(f"/api/jobs/{job_id}/status")

    after = scrape(service.http, route=route)
    for name in ("service_server_http_requests_total", "service_server_http_request_duration_seconds_count"):
        assert after[name] - before.get(name, 0) == 3
    missed = scrape(service.http, route=route, status_class="4xx")
    assert missed["service_server_http_requests_total"] >= 1


def test_a_path_without_a_route_has_no_series_of_its_own(service: Service):
    before = scrape(service.http, route="unmatched").get("service_server_http_requests_total", 0)
    for number in range(20):
        service.http.get(f"/nowhere/{number}")
        service.http.patch("/api/jobs")  # it has no such method

    text = service.http.get("/metrics").text

    assert "nowhere" not in text
    after = scrape(service.http, route="unmatched")["service_server_http_requests_total"]
    assert after - before == 40


def test_pages_of_the_dashboard_are_counted_by_section(service: Service):
    service.http.get("/dashboard/projects").raise_for_status()

    assert scrape(service.http, route="/dashboard/projects")["service_server_http_requests_total"] >= 1


def test_there_are_no_more_routes_than_the_label_may_have(service: Service):
    routes = {
        route_of(method, route.path_format)
        for route in service.server.config.app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
    }
    assert 50 < len({*routes, UNMATCHED}) <= MAX_ROUTES


def test_openmetrics_is_written_for_who_asks_for_it(service: Service):
    answer = service.http.get("/metrics", headers={"Accept": PROMETHEUS})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.headers["cache-control"] == "no-store"
    assert "Accept" in answer.headers["vary"]
    assert {family.name for family in parse_openmetrics(answer.text)} > {"service_server_http_requests"}


def test_the_text_format_has_one_charset(service: Service):
    answer = service.http.get("/metrics", headers={"Accept": "text/plain"})

    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_a_request_leaves_the_id_of_its_trace_as_an_exemplar(service: Service):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    service.http.get("/api/projects", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    service.http.get("/api/projects", headers={"traceparent": 'ff-"}-'})

    answer = service.http.get("/metrics", headers={"Accept": PROMETHEUS})

    assert f'# {{trace_id="{trace}"}}' in answer.text


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (PROMETHEUS, True),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text; q=0", False),
        ("text/plain;version=0.0.4", False),
        ("*/*", False),
        (None, False),
    ],
)
def test_the_format_follows_the_accept_header(accept, expected):
    assert wants_openmetrics(accept) is expected


def test_metrics_take_the_scope_of_the_cluster(tmp_path):
    with serving(tmp_path, auth="keys") as service:
        keys = Keys(service.container.unit_of_work())
        assert_problem(service.http.get("/metrics"), 401)
        reader = bearer(keys.add("default", scopes=frozenset({Scope.JOBS_READ})))
        assert_problem(service.http.get("/metrics", headers=reader), 403)
        operator = bearer(keys.add("default", scopes=frozenset({Scope.CLUSTER_READ})))

        answer = service.http.get("/metrics", headers=operator)

        assert "service_server_http_requests_total" in answer.text


def test_a_refusal_for_a_quota_is_counted_once(tmp_path):
    with serving(tmp_path, auth="keys") as service:
        keys = Keys(service.container.unit_of_work())
        refused, operator = keys.add("default", requests_per_s=0), keys.add("default")

        assert_problem(service.http.get("/api/jobs", headers=bearer(refused)), 429)

        service.http.headers.update(bearer(operator))
        found = scrape(service.http, quota="requests_per_s_of_key")
        assert found["service_server_quota_refusals_total"] == 1


def store_waiting_jobs(engine, tenants):
    """Store so many tenants, each with a project and a job that waits."""
    rows = defaultdict(list)
    for number in range(1, tenants + 1):
        project = replace(the_project(number), tenant=TenantName(f"tenant-{number}"))
        spec = JobSpec(
            code_key=ObjectKey(f"p/{number}.py"),
            language=LANGUAGES["python"],
            limits=STANDARD_LIMITS.resolve({}),
        )
        pending, _events = Job.submit(JobId(uuid4()), project, spec, NOW)
        job, execution, _events = pending.start(ExecutionId(uuid4()), None, NOW)
        owner = {"tenant": project.tenant.value, "status": "ACTIVE", "created_at": NOW}
        rows[tables.tenants].append({**owner, "quota": {"running": 0}})
        name = {"name": f"p-{number}", "live_name": f"{project.tenant}/p-{number}"}
        rows[tables.projects].append({**owner, **name, "project_id": number})
        rows[tables.jobs].append(job_values(job))
        rows[tables.executions].append(execution_values(job, execution))
    with engine.begin() as connection:
        for table, of_table in rows.items():
            connection.execute(sa.insert(table), of_table)


def test_a_thousand_tenants_with_a_hundred_thousand_jobs_are_a_bounded_number_of_series(tmp_path):
    # Given a service with a thousand tenants whose jobs wait, for none may have one running
    with serving(tmp_path) as service:
        store_waiting_jobs(service.container.database(), TENANTS)
        measurements = service.container.measurements()
        relay = MemoryMessageRelay()
        an_id = MessageId(uuid4())
        events, requests = EventMeter(relay, measurements), RequestMeter(measurements)
        # When jobs of all languages and outcomes, and of some that there are not, are counted
        languages, reasons = [*LANGUAGES, "cobol"], [*Reason, "unheard-of", None]
        statuses = [status for status in JobStatus if status.is_terminal]
        for number in range(COUNTED):
            language = languages[number % len(languages)]
            ended = {"status": statuses[number % len(statuses)], "reason": reasons[number % len(reasons)]}
            submitted = Message(id=an_id, name=JobSubmitted.__name__, body={"language": language})
            completed = {**ended, "language": language, "run_ms": number % 90_000}
            events.offer([submitted, replace(submitted, name=JobCompleted.__name__, body=completed)])
            relay.offered.clear()
            requests.begin()
            head = {"method": "POST", "path_template": f"/api/{number % 500}"}
            requests.end(head, 200 + number % 400, number / 1_000)
        text = service.http.get("/metrics").text

    # Then each is counted, and no tenant has a series
    series = [line for line in text.splitlines() if not line.startswith("#")]
    assert sum(float(line.split()[-1]) for line in series if "jobs_ended_total{" in line) == COUNTED
    waiting = dict(line.rsplit(maxsplit=1) for line in series if "queue_depth" in line)
    assert float(waiting['service_server_queue_depth{tenant_class="at_quota"}']) > 0
    assert "tenant-" not in text
    assert len(series) <= MAX_SERIES
