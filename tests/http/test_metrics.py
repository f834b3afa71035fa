"""`/metrics` of a service."""

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from application.metrics import MAX_ROUTES
from domain.caller import Scope
from entrypoints.http.request_metrics import routes_of
from entrypoints.metrics_format import wants_openmetrics
from tests.http.support import Service, assert_problem, serving
from tests.support.keys import Keys, bearer

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
    app = service.server.config.app
    assert 50 < len(routes_of(app)) <= MAX_ROUTES


def test_openmetrics_is_written_for_who_asks_for_it(service: Service):
    answer = service.http.get("/metrics", headers={"Accept": PROMETHEUS})

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.headers["cache-control"] == "no-store"
    assert "Accept" in answer.headers["vary"]
    assert {family.name for family in parse_openmetrics(answer.text)} > {"service_server_http_requests"}


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
