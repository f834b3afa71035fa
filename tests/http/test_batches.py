"""Batches of jobs."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore

import httpx
import pytest

from application.ports.execution_engine import EngineReport
from application.use_cases.act_on_jobs import ActOnJobs
from application.use_cases.submit_batch import SubmitBatch
from domain.execution import ExecutionResult
from domain.job_lifecycle import JobStatus
from domain.values import ObjectKey
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll, serving
from tests.support.processes import PATIENCE_S

STATUSES = [status.value for status in JobStatus]


def a_job(**changed: object) -> dict[str, object]:
    return {"project": "batches", "code": "print(1)", "language": "python", **changed}


def submit(service: Service, *jobs: object, **options: object) -> httpx.Response:
    return service.http.post("/api/batches", json={"jobs": jobs}, **options)


def done(answer: httpx.Response) -> dict:
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def may_end(service: Service):
    """Programs run until a test lets them end."""
    event = Event()

    def wait(_request, observer):
        observer.started()
        event.wait(PATIENCE_S)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))

    service.engine.program = wait
    yield event
    event.set()


def test_a_batch_runs_and_is_waited_for(service: Service):
    batch = done(submit(service, a_job(stdin="one"), a_job(stdin="two", tags={"a": "b"})))
    assert batch["total"] == 2
    assert list(batch["by_status"]) == STATUSES

    ended = done(service.http.get(f"/api/batches/{batch['batch_id']}", params={"wait": 20}))

    assert ended["by_status"] == {**dict.fromkeys(STATUSES, 0), "SUCCESS": 2}
    assert ended["jobs"] == batch["jobs"]
    jobs = [service.http.get(f"/api/jobs/{job_id}").json() for job_id in ended["jobs"]]
    assert [job["data"]["result"]["stdout"] for job in jobs] == ["one", "two"]
    assert [job["code_key"] for job in jobs] == [f"batches/{job_id}.py" for job_id in ended["jobs"]]
    completed = poll(lambda: service.http.get(f"/api/batches/{batch['batch_id']}").json()["completed_at"])
    assert completed >= batch["created_at"]


def test_a_thousand_jobs_are_one_batch(service: Service):
    jobs = [a_job(code=f"print({number})", execute=False) for number in range(1_000)]

    batch = done(submit(service, *jobs))

    assert (batch["by_status"]["PENDING"], len(set(batch["jobs"]))) == (1_000, 1_000)
    last = service.http.get(f"/api/jobs/{batch['jobs'][-1]}").json()
    assert service.container.code_store().get(ObjectKey(last["code_key"]), 100) == b"print(999)"
    done(service.http.post(f"/api/batches/{batch['batch_id']}/cancel"))


def test_every_fault_has_the_index_of_its_job_and_nothing_is_stored(service: Service):
    stored = service.stored()

    answer = submit(
        service,
        a_job(),
        {"project": "batches", "language": "python"},
        a_job(language="cobol"),
        a_job(args=["a", 1]),
        a_job(unknown=1),
        a_job(priority=99),
        "no job",
        a_job(case_set="none"),
    )

    problem = assert_problem(answer, 422)
    assert problem["type"].endswith("batch-refused")
    assert problem["detail"] == "7 of the jobs cannot be accepted, so none of them was"
    assert [(fault["index"], fault["pointer"]) for fault in problem["errors"]] == [
        (1, "/jobs/1/code"),
        (2, "/jobs/2/language"),
        (3, "/jobs/3/args/1"),
        (4, "/jobs/4/unknown"),
        (5, "/jobs/5/priority"),
        (6, "/jobs/6"),
        (7, "/jobs/7/case_set"),
    ]
    assert service.stored() == stored


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({}, "/jobs"), ({"jobs": []}, "/jobs"), ({"jobs": 1}, "/jobs"), ({"jobs": [], "more": 1}, "/more")],
)
def test_a_body_without_jobs_is_refused(service: Service, body: object, pointer: str):
    problem = assert_problem(service.http.post("/api/batches", json=body), 422)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]


def test_more_jobs_than_a_batch_has_are_refused(service: Service):
    problem = assert_problem(submit(service, *[a_job(execute=False)] * 1_001), 422)
    assert problem["detail"] == "jobs: a batch has 1 to 1000 jobs, and not 1001"


def test_a_batch_of_too_many_bytes_is_refused(tmp_path):
    with serving(tmp_path, max_batch_bytes=2_000) as small:
        assert_problem(submit(small, a_job(code="#" * 2_000)), 413)
        done(submit(small, a_job(execute=False)))


def test_a_wait_ends_with_its_time(service: Service, may_end: Event):
    batch = done(submit(service, a_job()))

    seen = done(service.http.get(f"/api/batches/{batch['batch_id']}", params={"wait": 0.05}))

    assert seen["by_status"]["RUNNING"] == 1
    assert seen["completed_at"] is None
    may_end.set()


def test_cancelling_stops_what_runs(service: Service, may_end: Event):
    batch = done(submit(service, a_job(), a_job(execute=False)))

    cancelled = done(service.http.post(f"/api/batches/{batch['batch_id']}/cancel"))

    assert cancelled["by_status"]["CANCELLED"] == 2
    assert cancelled["cancelled_at"] is not None
    again = done(service.http.post(f"/api/batches/{batch['batch_id']}/cancel"))
    assert again["by_status"] == cancelled["by_status"]
    may_end.set()


def test_lists_go_from_page_to_page(service: Service):
    made = [done(submit(service, a_job(execute=False)))["batch_id"] for _ in range(3)]

    page = service.http.get("/api/batches", params={"limit": 2})
    rest = service.http.get(page.links["next"]["url"])

    assert [batch["batch_id"] for batch in page.json()] == [made[2], made[1]]
    assert rest.json()[0]["batch_id"] == made[0]
    assert len(page.json()[0]["jobs"]) == 1
    assert service.http.get("/api/batches", params={"limit": 0}).json() == []
    assert_problem(service.http.get("/api/batches", params={"limit": 101}), 422)
    assert_problem(service.http.get("/api/batches", params={"cursor": "x"}), 422)
    for batch_id in made:
        done(service.http.post(f"/api/batches/{batch_id}/cancel"))


@pytest.mark.parametrize("batch_id", [UNKNOWN_ID, "no-id"])
def test_an_unknown_batch_is_not_found(service: Service, batch_id: str):
    assert_problem(service.http.get(f"/api/batches/{batch_id}"), 404)
    assert_problem(service.http.get(f"/api/batches/{batch_id}", params={"wait": 5}), 404)
    assert_problem(service.http.post(f"/api/batches/{batch_id}/cancel"), 404)


@pytest.mark.parametrize("kind", ["batches", "actions"])
def test_an_upload_finds_a_thread_beside_many_large_requests(tmp_path: Path, monkeypatch, kind: str):
    with serving(tmp_path, storage_threads=2) as service, ThreadPoolExecutor(4) as pool:
        use_case = {"batches": SubmitBatch, "actions": ActOnJobs}[kind]
        begun, may_go_on, call = Semaphore(0), Event(), use_case.__call__

        def waits(*arguments, **named):
            begun.release()
            assert may_go_on.wait(PATIENCE_S)
            return call(*arguments, **named)

        monkeypatch.setattr(use_case, "__call__", waits)
        job_id = service.upload()["job_id"]
        asked = [
            pool.submit(submit, service, a_job(execute=False))
            if kind == "batches"
            else pool.submit(
                service.http.post, "/api/jobs/actions", json={"action": "cancel", "ids": [job_id]}
            )
            for _ in range(4)
        ]
        assert begun.acquire(timeout=PATIENCE_S)

        assert service.upload()["status"] == "PENDING"

        may_go_on.set()
        assert {one.result().status_code for one in asked} == {200}
