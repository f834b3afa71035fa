"""The thirteen endpoints that existing clients call, to the letter."""

import json
import re
from threading import Event
from urllib.parse import unquote

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, LimitHit, Output, ResourceUsage
from domain.job_lifecycle import JobStatus, Reason
from tests.http.support import UNKNOWN_ID, Service, assert_problem, poll

JOB = {"job_id", "project", "code_key", "status", "message", "log_key", "logs_url", "data"}
DATA = {"created_at", "updated_at", "started_at", "completed_at", "code_key", "language"}
ADDED_JOB = {"phase", "run_started_at"}
ADDED_DATA = {"reason", "tags", "phase", "run_started_at", "notes"}
STATUS = {
    "job_id",
    "status",
    "project",
    "created_at",
    "started_at",
    "completed_at",
    "timeout_ms",
    "log_key",
    "logs_url",
}
RESULT = {
    "job_id",
    "status",
    "stdout",
    "stderr",
    "exit_code",
    "resource",
    "code_key",
    "log_key",
    "logs_url",
    "error_message",
    "completed_at",
}
ADDED_RESULT = {
    "compile_output",
    "notes",
    "reason",
    "signal",
    "limit",
    "stdout_bytes",
    "stderr_bytes",
    "stdout_truncated",
    "stderr_truncated",
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_upload_answers_with_a_pending_job(service: Service):
    response = service.http.post(
        "/api/upload", json={"project": "contract", "code": "print(1)", "language": "python"}
    )

    job = response.json()
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert set(job) == JOB | ADDED_JOB
    assert set(job["data"]) == DATA | ADDED_DATA
    assert UUID.fullmatch(job["job_id"])
    assert job["project"] == "contract"
    assert job["code_key"] == job["data"]["code_key"] == f"contract/{job['job_id']}.py"
    assert (job["status"], job["message"]) == ("PENDING", "Code uploaded successfully")
    assert job["log_key"] is job["logs_url"] is None
    assert job["data"]["language"] == "python"
    assert job["data"]["started_at"] is job["data"]["completed_at"] is None
    assert TIME.fullmatch(job["data"]["created_at"])
    assert TIME.fullmatch(job["data"]["updated_at"])


@pytest.mark.parametrize(("language", "extension"), [("python", ".py"), ("node", ".js"), ("java", ".java")])
def test_the_code_key_has_the_extension_of_the_language(service: Service, language: str, extension: str):
    assert service.upload(language=language)["code_key"].endswith(extension)


def test_upload_accepts_nulls_for_what_existing_clients_leave_out(service: Service):
    assert service.upload(function_name=None, description=None)["status"] == "PENDING"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"colour": "blue"}, "colour"),
        ({"version": 2, "a/b~c": {"x": [1]}, "description": "d"}, "version, a%2Fb~c"),
        ({"": 0, "한": 0, "a, b\r\nX: y": 0}, '"", %ED%95%9C, a%2C%20b%0D%0AX%3A%20y'),
        ({"%": 0, "x" * 70: 0}, f"%25, {'x' * 64}%E2%80%A6"),
        ({f"f{n}": n for n in range(20)}, ", ".join(f"f{n}" for n in range(16)) + ", %E2%80%A6"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_fields_that_are_not_known_are_ignored_and_named(service: Service, fields: dict, named: str):
    body = {"project": "legacy", "code": "print(1)", "language": "python", **fields}

    response = service.http.post("/api/upload", json=body)

    assert (response.status_code, response.json()["status"]) == (200, "PENDING")
    assert response.headers["x-ignored-fields"] == named


def test_nothing_is_named_where_every_field_is_known(service: Service):
    body = {"project": "legacy", "code": "print(1)", "language": "python", "function_name": "f"}

    assert "x-ignored-fields" not in service.http.post("/api/upload", json=body).headers


@pytest.mark.parametrize("code", ["", " ", "\r\n\t"])
def test_code_may_be_empty(service: Service, code: str):
    job = service.run(code=code)

    assert job["status"] == "SUCCESS"


@pytest.mark.parametrize(("alias", "name"), [("JavaScript", "node"), ("py", "python"), ("C++", "cpp")])
def test_a_language_is_shown_by_its_own_name(service: Service, alias: str, name: str):
    job = service.upload(language=alias)

    assert job["data"]["language"] == name
    assert service.http.get(f"/api/jobs/{job['job_id']}").json()["spec"]["language"] == name


def test_a_project_without_a_description_has_an_empty_one(service: Service):
    made = service.http.post("/api/project", json={"project_name": "undescribed"}).json()
    service.upload(project="made by an upload")

    listed = {project["project"]: project for project in service.http.get("/api/projects").json()}
    assert made["description"] == listed["made by an upload"]["description"] == ""


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/json", ";"])
def test_execute_takes_no_body_whatever_it_is_called(service: Service, media_type: str | None):
    job_id = service.upload()["job_id"]
    headers = {} if media_type is None else {"content-type": media_type}

    assert service.http.post(f"/api/execute/{job_id}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "APPLICATION/JSON", "application/json;charset=UTF-8", "application/vnd.x_y.v1+json"],
)
def test_json_is_taken_as_clients_call_it(service: Service, media_type: str):
    job_id = service.upload()["job_id"]

    response = service.http.post(
        f"/api/execute/{job_id}", content='{"stdin": "7"}', headers={"content-type": media_type}
    )

    assert response.status_code == 200


def test_execute_answers_at_once_with_a_running_job(service: Service):
    may_end = Event()

    def wait(_request, observer):
        observer.started()
        may_end.wait(90)
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0))

    service.engine.program = wait
    job_id = service.upload()["job_id"]

    response = service.http.post(f"/api/execute/{job_id}")

    may_end.set()
    job = response.json()
    assert response.status_code == 200
    assert set(job) == JOB | ADDED_JOB
    assert (job["job_id"], job["status"], job["message"]) == (job_id, "RUNNING", "Execution started")
    assert (job["phase"], job["run_started_at"]) == ("waiting", None)
    assert TIME.fullmatch(job["data"]["started_at"])
    assert "result" not in job["data"]


@pytest.mark.parametrize(
    "request_with",
    [
        {"params": {"input_data": "7\n"}},
        {"json": {"stdin": "7\n"}},
        {"params": {"input_data": "7\n"}, "json": {}},
    ],
    ids=["query", "body", "query and an empty body"],
)
def test_execute_passes_what_it_is_given_as_stdin(service: Service, request_with: dict):
    job_id = service.upload(stdin="not this")["job_id"]

    service.http.post(f"/api/execute/{job_id}", **request_with).raise_for_status()

    service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 20})
    assert service.engine.requests[-1].stdin == "7\n"


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
def test_execute_needs_no_input(service: Service, body: bytes):
    job_id = service.upload(stdin="the job's own")["job_id"]

    response = service.http.post(
        f"/api/execute/{job_id}", content=body, headers={"content-type": "application/json"}
    )

    assert response.status_code == 200
    service.http.get(f"/api/jobs/{job_id}/status", params={"wait": 20})
    assert service.engine.requests[-1].stdin == "the job's own"


def test_too_much_input_is_pointed_at(service: Service):
    job_id = service.upload()["job_id"]

    response = service.http.post(f"/api/execute/{job_id}", json={"stdin": "x" * ((1 << 20) + 1)})

    problem = assert_problem(response, 413)
    assert [error["pointer"] for error in problem["errors"]] == ["/stdin"]
    assert problem["detail"].startswith("stdin: ")


def test_input_in_the_query_and_in_the_body_is_refused(service: Service):
    job_id = service.upload()["job_id"]

    response = service.http.post(f"/api/execute/{job_id}", params={"input_data": "1"}, json={"stdin": "2"})

    problem = assert_problem(response, 422)
    assert problem["errors"] == [
        {"parameter": "input_data", "detail": "give it in the query or in the body, not in both"}
    ]


def test_an_ended_job_has_its_result(service: Service):
    job = service.run(stdin="hello\n")

    result = job["data"]["result"]
    assert set(job["data"]) == DATA | ADDED_DATA | {"result"}
    assert set(result) == RESULT | ADDED_RESULT
    assert job["status"] == result["status"] == "SUCCESS"
    assert (result["stdout"], result["stderr"], result["exit_code"]) == ("hello\n", "", 0)
    assert result["job_id"] == job["job_id"]
    assert result["code_key"] == job["code_key"]
    assert result["log_key"] == job["log_key"]
    assert result["logs_url"] == job["logs_url"]
    assert TIME.fullmatch(result["completed_at"])
    assert TIME.fullmatch(job["data"]["completed_at"])


def test_figures_are_numbers(service: Service):
    usage = ResourceUsage(execution_time_ms=12, cpu_time_ms=9, cpu_percent=75.0, memory_mb=8.5)
    limit = LimitHit("timeout_ms", 101, 100)
    service.engine.program = lambda _request, _observer: EngineReport(
        ExecutionResult(
            status=JobStatus.TIMEOUT,
            reason=Reason.WALL_TIME_LIMIT,
            stdout=Output("a…z", 70_000, truncated=True),
            signal=9,
            resource=usage,
            limit=limit,
            error="It took too long.",
        )
    )

    result = service.run()["data"]["result"]

    assert result["resource"] == {
        "cpu_percent": 75.0,
        "memory_mb": 8.5,
        "execution_time_ms": 12,
        "cpu_time_ms": 9,
    }
    assert result["limit"] == {"name": "timeout_ms", "measured": 101, "allowed": 100}
    assert (result["exit_code"], result["signal"]) == (None, 9)
    assert (result["stdout_bytes"], result["stdout_truncated"]) == (70_000, True)
    assert result["error_message"] == "It took too long."


@pytest.mark.parametrize(
    ("usage", "unknown"),
    [
        (None, ["cpu_percent", "memory_mb", "execution_time_ms"]),
        (ResourceUsage(execution_time_ms=12), ["cpu_percent", "memory_mb"]),
    ],
)
def test_figures_that_an_engine_does_not_tell_are_numbers_too_and_named(
    service: Service, usage: ResourceUsage | None, unknown: list[str]
):
    def program(_request, observer) -> EngineReport:
        observer.started()
        return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, exit_code=0, resource=usage))

    service.engine.program = program

    result = service.run()["data"]["result"]

    told = {
        name: float(result["resource"][name]) for name in ("cpu_percent", "memory_mb", "execution_time_ms")
    }
    assert told == {name: 0.0 if name in unknown else 12.0 for name in told}
    assert result["resource"]["unknown"] == unknown
    (note,) = result["notes"]
    assert note["code"] == "usage_unknown"
    assert f"does not report {', '.join(unknown)};" in note["detail"]


def test_what_never_ran_has_no_figures(service: Service):
    failed = ExecutionResult.failed(Reason.ENGINE_UNAVAILABLE, "The engine could not be reached.")
    service.engine.program = lambda _request, _observer: EngineReport(failed)

    result = service.run()["data"]["result"]

    assert (result["resource"], result["notes"]) == (None, [])


@pytest.mark.parametrize(
    ("exit_code", "reason", "message"),
    [
        (0, None, "Succeeded"),
        (None, None, "Succeeded; the engine does not report exit codes"),
        (3, Reason.NONZERO_EXIT, "The program exited with a non-zero exit code"),
        (None, Reason.NONZERO_EXIT, "Failed; the engine does not report exit codes"),
    ],
)
def test_an_exit_code_that_is_hidden_is_not_spoken_of(
    service: Service, exit_code: int | None, reason: Reason | None, message: str
):
    status = JobStatus.FAILED if reason else JobStatus.SUCCESS
    ended = ExecutionResult(status=status, reason=reason, exit_code=exit_code)
    service.engine.program = lambda _request, _observer: EngineReport(ended)

    assert service.http.get(f"/api/jobs/{service.run()['job_id']}").json()["message"] == message


@pytest.mark.parametrize("path", ["/api/jobs/{}/status", "/api/status/{}"])
def test_status_says_where_a_job_stands(service: Service, path: str):
    job = service.run()

    status = service.http.get(path.format(job["job_id"])).json()

    assert set(status) == STATUS | ADDED_JOB | {"reason"}
    assert status["status"] == "SUCCESS"
    assert status["project"] == "demo"
    assert status["timeout_ms"] == 30_000
    assert status["log_key"] == job["log_key"]
    for name in ("created_at", "started_at", "completed_at"):
        assert status[name] == job["data"][name]


def test_cancel_ends_a_job(service: Service):
    job_id = service.upload()["job_id"]

    response = service.http.post(f"/api/cancel/{job_id}")

    job = response.json()
    assert response.status_code == 200
    assert set(job) == JOB | ADDED_JOB
    assert (job["status"], job["message"]) == ("CANCELLED", "Job cancelled successfully")


def test_cancel_stops_a_running_program_and_keeps_what_it_wrote(service: Service):
    stopped = Event()

    def run_until_stopped(_request, observer):
        observer.started()
        stopped.wait(90)
        return EngineReport(
            ExecutionResult(status=JobStatus.CANCELLED, reason=Reason.CANCELLED, stdout=Output.of("so far\n"))
        )

    service.engine.program = run_until_stopped
    service.engine.cancel = lambda *_ids: stopped.set()
    job_id = service.upload(execute=True)["job_id"]
    _wait_for_start(service, job_id)

    assert service.http.post(f"/api/cancel/{job_id}").json()["status"] == "CANCELLED"

    assert stopped.wait(90)
    result = _wait_for_result(service, job_id)
    assert (result["status"], result["stdout"]) == ("CANCELLED", "so far\n")
    del service.engine.cancel


@pytest.mark.parametrize(
    ("operation", "state"),
    [("execute", "ended"), ("cancel", "ended"), ("execute", "cancelled"), ("cancel", "cancelled")],
)
def test_a_transition_that_the_state_forbids_is_a_conflict(service: Service, operation: str, state: str):
    if state == "ended":
        job_id = service.run()["job_id"]
    else:
        job_id = service.upload()["job_id"]
        service.http.post(f"/api/cancel/{job_id}")

    problem = assert_problem(service.http.post(f"/api/{operation}/{job_id}"), 409)

    assert problem["detail"].startswith(f"cannot {operation} a job that is ")


def test_jobs_are_listed_newest_first(service: Service):
    ids = [service.upload(project="ordered")["job_id"] for _ in range(3)]

    everywhere = service.http.get("/api/jobs", params={"limit": 3}).json()
    here = service.http.get("/api/projects/ordered/jobs").json()

    assert [job["job_id"] for job in everywhere] == [job["job_id"] for job in here] == ids[::-1]
    assert set(here[0]) == JOB | ADDED_JOB
    assert here[0]["message"] == "Uploaded, not started"


def test_an_unknown_project_has_no_jobs(service: Service):
    for name in ("nobody", "없음", "99999"):
        response = service.http.get(f"/api/projects/{name}/jobs")
        assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize("request_as", ["params", "json"])
def test_the_same_project_name_twice_is_one_project(service: Service, request_as: str):
    said = {"project_name": f"twice by {request_as}", "description": "first"}
    first = service.http.post("/api/project", **{request_as: said})
    second = service.http.post("/api/project", **{request_as: said | {"description": "second"}})

    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert set(first.json()) >= {"project_id", "project", "description"}
    assert isinstance(first.json()["project_id"], int)
    assert first.json()["project"] == said["project_name"]
    assert first.json()["description"] == "first"
    assert first.json() in service.http.get("/api/projects").json()


def test_a_project_can_be_named_by_its_id(service: Service):
    project = service.http.post("/api/project", params={"project_name": "by id"}).json()
    name = str(project["project_id"])

    job = service.upload(project=name)

    assert job["project"] == "by id"
    assert job["code_key"].startswith("by id/")
    jobs = service.http.get(f"/api/projects/{name}/jobs").json()
    assert [listed["job_id"] for listed in jobs] == [job["job_id"]]


def test_an_unknown_project_id_is_not_found(service: Service):
    response = service.http.post("/api/upload", json={"project": "99999", "code": "1", "language": "python"})

    assert assert_problem(response, 404)["detail"] == "project '99999' does not exist"


@pytest.mark.parametrize(
    ("name", "segment"),
    [
        ("한글 프로젝트", "%ED%95%9C%EA%B8%80%20%ED%94%84%EB%A1%9C%EC%A0%9D%ED%8A%B8"),
        ("100%", "100%25"),
        ("a+b ?#", "a+b%20%3F%23"),
    ],
)
def test_a_project_in_a_path_is_percent_encoded_once(service: Service, name: str, segment: str):
    job = service.upload(project=name)

    jobs = service.http.get(f"/api/projects/{segment}/jobs").json()

    assert [listed["job_id"] for listed in jobs] == [job["job_id"]]
    assert jobs[0]["project"] == name


def test_a_log_is_json_text_in_a_json_string(service: Service):
    job = service.run(stdin="안녕\n")

    response = service.http.get("/api/log", params={"log_key": job["log_key"]})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    log = json.loads(response.json())
    assert (log["stdout"], log["stderr"]) == ("안녕\n", "")
    assert log["code_key"] == job["code_key"]


def test_an_unknown_log_is_not_found(service: Service):
    for key in ("logs/none.json", "demo/code.py"):
        assert_problem(service.http.get("/api/log", params={"log_key": key}), 404)


def test_metrics_are_points_in_time(service: Service):
    metrics = service.http.get("/api/cloudwatch/local", params={"minutes": 5, "period": 60})
    names = service.http.get("/api/cloudwatch/local/metrics")

    assert metrics.json() == {
        "cluster_name": "local",
        "metrics": [
            {"timestamp": "2025-01-31T12:00:00Z", "cpu_utilization": 12.5, "memory_utilization": None}
        ],
    }
    assert names.json() == {"cluster_name": "local", "metric_names": ["CPUUtilization"]}
    for path in ("/api/cloudwatch/nothing", "/api/cloudwatch/nothing/metrics"):
        assert_problem(service.http.get(path), 404)


@pytest.mark.parametrize(
    ("name", "value"), [("minutes", 0), ("minutes", 61), ("period", 0), ("period", 45), ("period", 61)]
)
def test_metrics_out_of_range_are_refused(service: Service, name: str, value: int):
    problem = assert_problem(service.http.get("/api/cloudwatch/local", params={name: value}), 422)

    assert [error["parameter"] for error in problem["errors"]] == [name]


def test_health_is_cheap_and_says_where_it_is(service: Service):
    health = service.http.get("/api/health")

    assert health.status_code == 200
    assert health.json() == {"status": "healthy", "environment": "development"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/execute/{}"),
        ("POST", "/api/cancel/{}"),
        ("GET", "/api/jobs/{}"),
        ("GET", "/api/jobs/{}/status"),
        ("GET", "/api/jobs/{}/output"),
        ("GET", "/api/jobs/{}/output/stdout"),
        ("GET", "/api/jobs/{}/output/stdout/lines"),
        ("GET", "/api/jobs/{}/output/stdout/matches?text=a"),
        ("GET", "/api/jobs/{}/events"),
        ("GET", "/api/jobs/{}/timeline"),
        ("GET", "/api/status/{}"),
    ],
)
@pytest.mark.parametrize(
    "job_id", [UNKNOWN_ID, "17", UNKNOWN_ID.replace("-", ""), f"{{{UNKNOWN_ID}}}", "%20"]
)
def test_jobs_that_do_not_exist_are_not_found(service: Service, method: str, path: str, job_id: str):
    problem = assert_problem(service.http.request(method, path.format(job_id)), 404)

    assert problem["detail"] == f"job '{unquote(job_id)}' does not exist"


@pytest.mark.parametrize("page", ["", "/state", "/curl"])
def test_a_page_of_a_job_that_does_not_exist_is_not_found(service: Service, page: str):
    for job_id in (UNKNOWN_ID, "17"):
        assert service.http.get(f"/dashboard/jobs/{job_id}{page}").status_code == 404


def _wait_for_start(service: Service, job_id: str) -> None:
    poll(lambda: service.http.get(f"/api/jobs/{job_id}").json()["executions"][-1]["started_at"])


def _wait_for_result(service: Service, job_id: str) -> dict:
    return poll(lambda: service.http.get(f"/api/jobs/{job_id}").json()["data"].get("result"))
