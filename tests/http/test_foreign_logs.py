"""Logs that runners wrote themselves, in a form of their own."""

import io
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from domain.values import ObjectKey
from tests.http.support import Service, assert_problem, serving
from tests.support.scripted_engine import Program, echo


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("foreign-logs")) as service:
        yield service


@pytest.mark.parametrize(
    "log",
    [
        b"{}",
        b'{"stdout": null}',
        b'["stdout"]',
        b"{'stdout': 'x'}",
        b'{"stdout_base64": "a"}',
        b'{"stdout": "\\ud800"}',
        b'{"stdout": ' + b"[" * 100_000,
        b"\xff",
    ],
    ids=range(8),
)
@pytest.mark.parametrize(("truncated", "status"), [(False, 200), (True, 404)])
def test_a_log_that_a_runner_wrote_its_own_way_is_done_without(
    service: Service,
    log: bytes,
    truncated: bool,  # noqa: FBT001 - a case of the table
    status: int,
):
    key = ObjectKey(f"logs/runner-{uuid4()}.json")
    service.container.log_store().put(key, io.BytesIO(log), "application/json")

    def program(_request, observer) -> EngineReport:
        observer.started()
        stdout = Output("inline", 9 if truncated else 6, truncated=truncated)
        return EngineReport(
            ExecutionResult(status=JobStatus.SUCCESS, stdout=stdout, exit_code=0, log_key=key)
        )

    service.engine.program = program
    response = service.http.get(f"/api/jobs/{service.run()['job_id']}/output/stdout")

    assert response.status_code == status
    assert truncated or response.text == "inline"


def test_a_log_s_link_is_good_for_that_log_alone(service: Service):
    service.engine.program = echo
    job, other = service.run(stdin="mine"), service.run(stdin="other")
    link = service.http.get(job["logs_url"].replace(base_of(job["logs_url"]), str(service.http.base_url)))
    assert link.status_code == 200
    assert link.json() == service.http.get("/api/log", params={"log_key": job["log_key"]}).json()

    query = parse_qs(urlsplit(job["logs_url"]).query)
    given = {name: values[0] for name, values in query.items()}
    for change in (
        {"log_key": other["log_key"]},
        {"expires": "1"},
        {"expires": str(int(given["expires"]) + 60)},
        {"signature": "A" * 43},
        {"log_key": "../" + given["log_key"]},
        {"log_key": "logs/none.json"},
    ):
        answer = service.http.get("/api/log-link", params={**given, **change})
        problem = assert_problem(answer, 404)
        assert problem["detail"] == f"log '{ {**given, **change}['log_key'] }' does not exist"

    assert service.http.delete(f"/api/jobs/{job['job_id']}").status_code == 204
    assert_problem(service.http.get("/api/log-link", params=given), 404)


def base_of(url: str) -> str:
    """Return the scheme, the host and the port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


@pytest.mark.parametrize("named", ["another job's", "another tenant's", "no log's"])
def test_an_engine_makes_no_other_log_a_job_s_own(service: Service, named: str):
    victim_log = io.BytesIO(b'{"stdout": "secret"}')
    if named == "another job's":
        key = ObjectKey(f"logs/{uuid4()}.json")
        service.container.log_store().put(key, victim_log, "application/json")
        service.engine.program = program_naming(key)
        assert service.run()["log_key"] == key.value
    else:
        key = ObjectKey("tenants/acme/logs/a.json" if named == "another tenant's" else "demo/a.json")
        service.container.log_store().put(key, victim_log, "application/json")

    service.engine.program = program_naming(key)
    job = service.run()

    assert job["log_key"] != key.value
    assert "secret" not in service.http.get("/api/log", params={"log_key": job["log_key"]}).text
    assert service.http.get(f"/api/jobs/{job['job_id']}/output/stdout").text == "own"


def program_naming(key: ObjectKey) -> Program:
    """Return a program whose engine names a log."""

    def program(_request, observer) -> EngineReport:
        observer.started()
        result = ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of("own"), exit_code=0, log_key=key)
        return EngineReport(result)

    return program
