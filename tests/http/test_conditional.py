"""Conditional requests: a caller's current copy is not sent again (RFC 9110, 13)."""

import pytest

from tests.http.support import Service, assert_problem


@pytest.fixture(scope="module")
def job(whole_service: Service) -> dict:
    return whole_service.run(project="conditional", stdin="x" * 300_000)


@pytest.fixture(
    params=["job", "status", "older status", "log", "output", "document", "reference", "file", "asset"]
)
def path(request: pytest.FixtureRequest, service: Service, job: dict) -> str:
    page = service.http.get("/dashboard").text
    return {
        "job": f"/api/jobs/{job['job_id']}",
        "status": f"/api/jobs/{job['job_id']}/status",
        "older status": f"/api/status/{job['job_id']}",
        "log": f"/api/log?log_key={job['log_key']}",
        "output": f"/api/jobs/{job['job_id']}/output/stdout",
        "document": "/openapi.json",
        "reference": "/redoc",
        "file": "/docs/static/redoc.standalone.js",
        "asset": "/dashboard/static/" + page.partition("/dashboard/static/")[2].partition('"')[0],
    }[request.param]


def test_content_that_the_caller_has_is_not_sent_again(service: Service, path: str):
    first = service.http.get(path)
    tag = first.headers["etag"]

    for known in (tag, f"W/{tag.removeprefix('W/')}", f'"other", {tag}', "*", f'"a,b" ,{tag},"c"'):
        for method in ("GET", "HEAD"):
            again = service.http.request(method, path, headers={"if-none-match": known})
            assert (again.status_code, again.content) == (304, b""), known
            assert again.headers["etag"] == tag
            assert again.headers["vary"] == first.headers["vary"]
            assert again.headers["cache-control"] == first.headers["cache-control"]
            assert "content-type" not in again.headers


@pytest.mark.parametrize("known", ["", '"other"', "W/", '"', "other", '"*"', "x" * 10_000, '"x' * 9_000])
def test_other_content_is_sent(service: Service, path: str, known: str):
    response = service.http.get(path, headers={"if-none-match": known})

    assert response.status_code == 200
    assert response.content


def test_a_job_that_changes_is_sent_again(service: Service):
    job_id = service.upload(project="conditional")["job_id"]
    for path in (f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/status"):
        tag = service.http.get(path).headers["etag"]
        assert service.http.get(path, headers={"if-none-match": tag}).status_code == 304
        service.http.post(f"/api/cancel/{job_id}")
        changed = service.http.get(path, headers={"if-none-match": tag})
        assert changed.status_code == (200 if path.endswith(job_id) else 304)


def test_the_condition_goes_before_a_range(service: Service, job: dict):
    path = f"/api/jobs/{job['job_id']}/output/stdout"
    tag = service.http.get(path).headers["etag"]

    assert service.http.get(path, headers={"if-none-match": tag, "range": "bytes=0-9"}).status_code == 304
    part = service.http.get(path, headers={"if-none-match": '"other"', "range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, b"x" * 10)


def test_the_condition_goes_before_a_range_after_the_end(service: Service, job: dict):
    path = f"/api/jobs/{job['job_id']}/output/stdout"
    tag = service.http.get(path).headers["etag"]

    known = service.http.get(path, headers={"if-none-match": tag, "range": "bytes=300000-"})
    other = service.http.get(path, headers={"if-none-match": '"other"', "range": "bytes=300000-"})

    assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
    assert "content-range" not in known.headers
    assert_problem(other, 416)


def test_only_reading_is_conditional(service: Service):
    body = {"project": "conditional", "code": "", "language": "python"}

    assert service.http.post("/api/upload", json=body, headers={"if-none-match": "*"}).status_code == 200
    assert_problem(service.http.get("/api/nothing", headers={"if-none-match": "*"}), 404)
