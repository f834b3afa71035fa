"""Jobs are named by their ids, and by beginnings of them that no other job's id has."""

import pytest

from tests.http.support import Service, assert_problem

GETS = (
    "/api/jobs/{}",
    "/api/jobs/{}/status",
    "/api/jobs/{}/status?wait=1",
    "/api/status/{}",
    "/api/jobs/{}/cases",
    "/api/jobs/{}/timeline",
    "/api/jobs/{}/deliveries",
    "/api/jobs/{}/output/stdout",
)


def beginning_of(service: Service, job_id: str) -> str:
    """Return the shortest beginning that is no other job's."""
    for length in range(8, 36):
        found = service.http.get("/api/jobs", params={"id": job_id[:length], "limit": 2}).json()
        if len(found) == 1:
            return job_id[:length]
    pytest.fail("another job has the same id")


@pytest.mark.parametrize("path", GETS)
def test_a_beginning_is_answered_as_the_id_is(service: Service, path: str):
    job_id = service.run()["job_id"]
    beginning = beginning_of(service, job_id)
    whole = service.http.get(path.format(job_id))
    assert whole.status_code == 200

    for given in (beginning, beginning.upper(), job_id.replace("-", ""), job_id[:35]):
        answer = service.http.get(path.format(given))

        assert answer.status_code == 200, answer.text
        assert answer.content == whole.content
        assert answer.headers.get("ETag") == whole.headers.get("ETag")


def test_streams_and_acts_take_a_beginning(service: Service):
    job_id = service.upload()["job_id"]
    beginning = beginning_of(service, job_id)

    assert service.http.post(f"/api/execute/{beginning}", params={"wait": 20}).json()["job_id"] == job_id
    for stream in ("events", "output"):
        answer = service.http.get(f"/api/jobs/{beginning}/{stream}")
        assert "event: end" in answer.text
    again = service.http.post(f"/api/jobs/{beginning}/rerun", params={"wait": 20}).json()
    assert service.http.get(f"/api/jobs/{again['job_id']}").json()["rerun_of"] == job_id
    pending = service.upload()["job_id"]
    cancelled = service.http.post(f"/api/cancel/{pending[:35]}")
    assert (cancelled.json()["job_id"], cancelled.json()["status"]) == (pending, "CANCELLED")
    assert service.http.delete(f"/api/jobs/{pending[:35]}").status_code == 204
    assert service.http.get(f"/api/jobs/{pending}").status_code == 404


def test_of_a_beginning_of_several_the_candidates_are_named_and_nothing_is_done(service: Service):
    while (
        True
    ):  # two jobs of one minute have eight digits in common, unless the next minute begins between them
        jobs = [service.upload()["job_id"] for _ in range(2)]
        if jobs[0][:8] == jobs[1][:8]:
            break
    shared = jobs[0][:8]

    for answer in (
        service.http.get(f"/api/jobs/{shared}"),
        service.http.post(f"/api/cancel/{shared}"),
        service.http.delete(f"/api/jobs/{shared}"),
    ):
        problem = assert_problem(answer, 409)
        assert problem["type"].endswith(":ambiguous-id")
        assert set(jobs) <= set(problem["candidates"]) or len(problem["candidates"]) == 5
        assert all(candidate.startswith(shared) for candidate in problem["candidates"])
        assert problem["candidates"][0] in problem["detail"]
    assert [service.http.get(f"/api/jobs/{job}").json()["status"] for job in jobs] == ["PENDING"] * 2


@pytest.mark.parametrize("given", ["ffffffff", "0190b6f", "0190b6f24x", "0190-b6f2-4000", "%2e%2e", "f" * 33])
def test_what_no_id_begins_with_is_not_there(service: Service, given: str):
    assert_problem(service.http.get(f"/api/jobs/{given}"), 404)
    assert_problem(service.http.get(f"/api/jobs/{given}/status?wait=5"), 404)
    assert_problem(service.http.post(f"/api/cancel/{given}"), 404)
