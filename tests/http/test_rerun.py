"""Running a job again."""

import pytest

from tests.http.support import UNKNOWN_ID, Service, assert_problem


def rerun(service: Service, job: dict, body: object = None, wait: int = 20) -> dict:
    answer = service.http.post(f"/api/jobs/{job['job_id']}/rerun", params={"wait": wait}, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_same_code_runs_with_other_input(service: Service):
    first = service.run(stdin="one", args=["a"], memory_mb=64)

    again = rerun(service, first, {"stdin": "two", "timeout_ms": 2_000})

    assert again["data"]["result"]["stdout"] == "two"
    assert again["rerun_of"] == first["job_id"]
    details = service.http.get(f"/api/jobs/{again['job_id']}").json()
    assert (details["spec"]["args"], details["spec"]["limits"]["memory_mb"]) == (["a"], 64)
    assert details["spec"]["limits"]["timeout_ms"] == 2_000
    assert details["rerun_of"] == first["job_id"]


def test_nothing_has_to_be_sent(service: Service):
    first = service.run(stdin="one")

    again = service.http.post(f"/api/jobs/{first['job_id']}/rerun", params={"wait": 20}).json()

    assert again["data"]["result"]["stdout"] == "one"
    assert service.http.get(f"/api/jobs/{first['job_id']}").json()["reruns"] == [again["job_id"]]
    timelines = [service.http.get(f"/api/jobs/{job['job_id']}/timeline").json() for job in (first, again)]
    assert timelines[0]["reruns"] == [again["job_id"]]
    assert timelines[1]["rerun_of"] == first["job_id"]
    assert "rerun_of" not in timelines[0]


def test_it_runs_after_the_first_job_is_deleted(service: Service):
    first = service.run()
    again = rerun(service, first)
    assert service.http.delete(f"/api/jobs/{first['job_id']}").status_code == 204
    service.container.services().remove_deleted()

    assert rerun(service, again)["status"] == "SUCCESS"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"code": "2"}, "/code"), ({"args": 1}, "/args"), ({"memory_mb": 1}, "/memory_mb")],
)
def test_what_cannot_be_changed_is_refused(service: Service, body: object, pointer: str):
    job = service.upload()

    problem = assert_problem(service.http.post(f"/api/jobs/{job['job_id']}/rerun", json=body), 422)

    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


@pytest.mark.parametrize("job_id", [UNKNOWN_ID, "no-id"])
def test_an_unknown_job_is_not_found(service: Service, job_id: str):
    assert_problem(service.http.post(f"/api/jobs/{job_id}/rerun"), 404)
