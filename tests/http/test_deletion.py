"""Deleted jobs and purged projects, over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll
from tests.support.files import files_below


def files(service: Service) -> set[str]:
    """Name the objects of every job that are stored."""
    data_dir = service.container.settings().data_dir
    return {path.name for path in files_below(data_dir / "code", data_dir / "log")}


def project_id(service: Service, name: str) -> int:
    projects = service.http.get("/api/projects").json()
    return next(project["project_id"] for project in projects if project["project"] == name)


def test_a_deleted_job_is_gone_everywhere(service: Service):
    job = service.run(project="deletion", tags={"kind": "deleted"})
    path = f"/api/jobs/{job['job_id']}"
    names = {key.rpartition("/")[2] for key in (job["code_key"], job["log_key"])}
    assert names <= files(service)

    answer = service.http.delete(path)

    assert (answer.status_code, answer.content) == (204, b"")
    for gone in (path, f"{path}/status", f"{path}/output", f"{path}/events", f"{path}/timeline"):
        assert_problem(service.http.get(gone), 404)
    assert_problem(service.http.get("/api/log", params={"log_key": job["log_key"]}), 404)
    assert_problem(service.http.post(f"/api/execute/{job['job_id']}"), 404)
    assert_problem(service.http.delete(path), 404)
    assert service.http.get("/api/jobs", params={"tag": "kind:deleted"}).json() == []
    poll(lambda: names.isdisjoint(files(service)))


@pytest.mark.parametrize("job_id", [UNKNOWN_ID, "1", "..%2f"])
def test_there_is_no_unknown_job_to_delete(service: Service, job_id):
    assert service.http.delete(f"/api/jobs/{job_id}").status_code == 404


def test_a_job_that_never_ran_is_cancelled_before_it_is_deleted(service: Service):
    job_id = service.upload()["job_id"]

    problem = assert_problem(service.http.delete(f"/api/jobs/{job_id}"), 409)

    assert problem["detail"] == "the job is PENDING and has not ended; cancel it first"
    service.http.post(f"/api/cancel/{job_id}").raise_for_status()
    assert service.http.delete(f"/api/jobs/{job_id}").status_code == 204


def test_a_purged_project_goes_with_its_jobs_and_its_name_is_free(service: Service):
    job = service.run(project="to-purge")
    waiting = service.upload(project="to-purge")
    first = project_id(service, "to-purge")

    answer = service.http.delete("/api/projects/to-purge", params={"purge": "true"})

    assert answer.status_code == 200
    assert (answer.json()["project_id"], answer.json()["status"]) == (first, "PURGED")
    for gone in (job, waiting):
        assert_problem(service.http.get(f"/api/jobs/{gone['job_id']}"), 404)
    assert_problem(service.http.delete("/api/projects/to-purge", params={"purge": "true"}), 404)
    names = {key.rpartition("/")[2] for key in (job["code_key"], job["log_key"], waiting["code_key"])}
    poll(lambda: names.isdisjoint(files(service)))
    service.upload(project="to-purge")
    assert project_id(service, "to-purge") != first


def test_a_project_that_is_deleted_without_a_purge_keeps_its_jobs(service: Service):
    job = service.run(project="to-delete")

    deleted = service.http.delete("/api/projects/to-delete").json()

    assert deleted["status"] == "DELETED"
    path = f"/api/jobs/{job['job_id']}"
    assert service.http.get(path).status_code == 200
    by_id = f"/api/projects/{deleted['project_id']}"
    assert_problem(service.http.delete(by_id), 404)
    assert service.http.delete(by_id, params={"purge": "true"}).status_code == 200
    assert_problem(service.http.get(path), 404)


@pytest.mark.parametrize("part", ["output", "events"])
def test_a_stream_ends_when_its_job_is_purged(service: Service, part):
    name = f"followed-{part}"
    job_id = service.upload(project=name)["job_id"]
    with (
        ThreadPoolExecutor(1) as pool,
        service.http.stream("GET", f"/api/jobs/{job_id}/{part}") as answer,
    ):
        read = pool.submit(lambda: b"".join(answer.iter_bytes()))
        poll(lambda: service.is_waited_for(job_id))

        service.http.delete(f"/api/projects/{name}", params={"purge": "true"}).raise_for_status()

        assert b"event: end" not in read.result(timeout=90)
    poll(lambda: not service.is_waited_for(job_id))


def test_a_wait_ends_when_its_job_is_purged(service: Service):
    job_id = service.upload(project="waited-for")["job_id"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.http.get, f"/api/status/{job_id}", params={"wait": 60})
        poll(lambda: service.is_waited_for(job_id))

        service.http.delete("/api/projects/waited-for", params={"purge": "true"}).raise_for_status()

        assert_problem(waiting.result(timeout=90), 404)
