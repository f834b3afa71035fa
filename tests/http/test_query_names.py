"""Query parameters that an operation does not have."""

import pytest

from entrypoints.http.query_names import LENIENT
from tests.http.support import UNKNOWN_ID, Service, assert_problem


@pytest.mark.parametrize(
    ("method", "path", "query", "words"),
    [
        ("GET", f"/api/jobs/{UNKNOWN_ID}", {"wait": 1}, ["takes none"]),
        ("GET", "/api/batches", {"limits": 1}, ["did you mean limit?", "cursor"]),
        ("GET", "/api/batches", {"zzz": 1, "limit": 2}, ["takes cursor, limit"]),
        ("POST", f"/api/jobs/{UNKNOWN_ID}/rerun", {"wiat": 1}, ["did you mean wait?"]),
        ("POST", "/api/jobs/actions", {"action": "cancel"}, ["takes none"]),
        ("DELETE", "/api/projects/none", {"prge": "true"}, ["did you mean purge?"]),
    ],
)
def test_it_is_refused_with_the_known_ones(service: Service, method, path, query, words):
    problem = assert_problem(service.http.request(method, path, params=query), 422)

    (fault,) = problem["errors"]
    assert fault["parameter"] == next(iter(query))
    assert all(word in problem["detail"] for word in words), problem["detail"]


def test_clients_of_the_replaced_service_may_send_any(service: Service):
    job_id = service.upload()["job_id"]
    more = {"utm_source": "x"}
    calls = [
        ("POST", "/api/upload", {"json": {"project": "demo", "code": "1", "language": "python"}}),
        ("POST", f"/api/execute/{job_id}", {}),
        ("GET", "/api/jobs", {}),
        ("GET", "/api/projects/demo/jobs", {}),
        ("GET", f"/api/jobs/{job_id}/status", {}),
        ("GET", f"/api/status/{job_id}", {}),
        ("GET", "/api/projects", {}),
        ("POST", "/api/project", {"json": {"project_name": "demo"}}),
        ("GET", "/api/cloudwatch/local", {}),
        ("GET", "/api/cloudwatch/local/metrics", {}),
        ("GET", "/api/health", {}),
    ]

    answers = [service.http.request(method, path, params=more, **body) for method, path, body in calls]

    assert [answer.status_code for answer in answers] == [200] * len(calls)


def test_each_lenient_call_is_one_of_the_service(service: Service):
    operations = service.http.get("/openapi.json").json()["paths"]
    known = {(method.upper(), path) for path, methods in operations.items() for method in methods}

    assert {(method, path.replace(":str", "")) for method, path in LENIENT} <= known
