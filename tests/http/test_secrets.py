"""Secret variables: given to the program, and in nothing else that a job leaves behind."""

import base64
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from adapters.sql.tables import metadata
from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from tests.http.support import Service, assert_problem, serving
from tests.support.files import files_below

NAME, VALUE = "API_TOKEN", "hunter2-8d1f5c"
SECRETS = {NAME: VALUE}
KEYS = ("test:" + base64.b64encode(bytes(range(32))).decode(),)
FORMS = (VALUE.encode(), base64.b64encode(VALUE.encode())[:-4], VALUE.encode().hex().encode(), NAME.encode())


@pytest.fixture(scope="module")
def sealing(tmp_path_factory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("secrets"), sealing_keys=KEYS) as service:
        yield service


def program(request, observer) -> EngineReport:
    """Prove that the secrets came, by their number and lengths."""
    opened = request.open_secrets()
    observer.started()
    proof = f"{len(opened)} {[len(value) for value in opened.values()]}"
    return EngineReport(ExecutionResult(status=JobStatus.SUCCESS, stdout=Output.of(proof), exit_code=0))


def assert_hidden(content: bytes, place: object) -> None:
    for form in FORMS:
        assert form not in content, place


def get(service: Service, path: str, **parameters: str) -> httpx.Response:
    response = service.http.get(path, params=parameters)
    assert response.status_code == 200, (path, response.text)
    return response


def stored_rows(service: Service) -> bytes:
    with service.container.database().connect() as connection:
        rows = [
            [list(map(repr, row)) for row in connection.execute(sa.select(table))]
            for table in metadata.sorted_tables
        ]
    return json.dumps(rows).encode()


def test_nothing_of_a_secret_is_anywhere_but_in_its_program(sealing: Service, caplog):
    caplog.set_level(logging.DEBUG)
    sealing.engine.program = program

    uploaded = sealing.upload(secret_env=SECRETS, env={"SHOWN": "shown-value"}, tags={"a": "b"})
    job_id = uploaded["job_id"]
    ran = sealing.http.post(f"/api/execute/{job_id}", params={"wait": 20})
    page = sealing.http.get(f"/dashboard/jobs/{job_id}")

    assert ran.json()["data"]["result"]["stdout"] == f"1 [{len(VALUE)}]"
    assert b"shown-value" in page.content
    log_key = ran.json()["log_key"]
    for path in (
        "/api/jobs",
        "/api/projects/demo/jobs",
        f"/api/jobs/{job_id}",
        f"/api/jobs/{job_id}/status",
        f"/api/jobs/{job_id}/timeline",
        f"/api/jobs/{job_id}/output",
        f"/api/jobs/{job_id}/output/stdout",
        f"/api/jobs/{job_id}/output/stdout/lines",
        f"/api/jobs/{job_id}/events",
        "/dashboard/",
        "/dashboard/projects",
        "/dashboard/projects/1",
        "/dashboard/projects/1/jobs",
        f"/dashboard/jobs/{job_id}",
        f"/dashboard/jobs/{job_id}/state",
        f"/dashboard/jobs/{job_id}/curl",
    ):
        assert_hidden(get(sealing, path).content, path)
    log = get(sealing, "/api/log", log_key=log_key)
    assert_hidden(log.content, "log")
    for content in (uploaded, ran.json()):
        assert_hidden(json.dumps(content).encode(), "answer")

    assert_hidden(stored_rows(sealing), "rows")
    data_dir: Path = sealing.container.settings().data_dir
    files = files_below(data_dir)
    assert {".sqlite3", ".py", ".json"} <= {path.suffix for path in files}
    for path in files:
        assert_hidden(path.read_bytes(), path)
    logged = [record.getMessage() for record in caplog.records]
    assert logged
    assert_hidden("\n".join([*logged, caplog.text]).encode(), "log lines")


def test_the_curl_copy_and_the_specification_have_the_other_variables(sealing: Service):
    job_id = sealing.upload(secret_env=SECRETS, env={"SHOWN": "x"})["job_id"]

    assert get(sealing, f"/api/jobs/{job_id}").json()["spec"]["env"] == {"SHOWN": "x"}
    assert '"env": {"SHOWN": "x"}' in get(sealing, f"/dashboard/jobs/{job_id}/curl").text.replace(
        '":{', '": {'
    )


def test_a_job_that_is_run_again_from_its_page_has_its_secrets(sealing: Service):
    sealing.engine.program = program
    job_id = sealing.run(secret_env=SECRETS)["job_id"]
    page = get(sealing, f"/dashboard/jobs/{job_id}")
    token = page.text.split('name="csrf"')[1].split('value="')[1].split('"')[0]

    again = sealing.http.post(
        f"/dashboard/jobs/{job_id}/again",
        data={"csrf": token},
        headers={"origin": str(sealing.http.base_url).rstrip("/")},
    )

    new_id = again.headers["location"].rpartition("/")[2]
    ended = get(sealing, f"/api/jobs/{new_id}")
    status = get(sealing, f"/api/jobs/{new_id}/status", wait="20").json()
    assert status["status"] == "SUCCESS"
    assert ended.status_code == 200
    assert get(sealing, f"/api/jobs/{new_id}").json()["data"]["result"]["stdout"] == f"1 [{len(VALUE)}]"


@pytest.mark.parametrize(
    ("changed", "status", "pointer"),
    [
        ({"secret_env": {"1A": VALUE}}, 422, "/secret_env"),
        ({"secret_env": {"A": f"{VALUE}\0"}}, 422, "/secret_env"),
        ({"secret_env": {"A": VALUE}, "env": {"A": "x"}}, 422, "/secret_env"),
        ({"secret_env": [VALUE]}, 422, "/secret_env"),
        ({"secret_env": VALUE}, 422, "/secret_env"),
        ({"secret_env": {"A": 1, "B": VALUE}}, 422, "/secret_env"),
        ({"secret_env": {f"V{number}": VALUE for number in range(65)}}, 422, "/args"),
        ({"secret_env": {"A": VALUE * 10_000}}, 413, "/args"),
    ],
)
def test_secrets_that_break_a_rule_are_refused_without_being_shown(
    sealing: Service, caplog, changed, status, pointer
):
    body = {"project": "demo", "code": "print(1)", "language": "python", **changed}

    refused = sealing.http.post("/api/upload", json=body)

    problem = assert_problem(refused, status)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert VALUE.encode() not in refused.content
    assert VALUE not in caplog.text


def test_without_a_sealing_key_secrets_are_refused_with_the_name_of_the_setting(service: Service):
    body = {"project": "demo", "code": "print(1)", "language": "python", "secret_env": SECRETS}
    before = service.stored()

    refused = service.http.post("/api/upload", json=body)

    problem = assert_problem(refused, 422)
    assert problem["errors"][0]["pointer"] == "/secret_env"
    assert "SERVICE_SERVER_SEALING_KEYS" in problem["detail"]
    assert service.stored() == before
    assert service.upload(secret_env={}, execute=False)["status"] == "PENDING"
