"""Logs that runners wrote themselves, in a form of their own."""

import io
from uuid import uuid4

import pytest

from application.ports.execution_engine import EngineReport
from domain.execution import ExecutionResult, Output
from domain.job_lifecycle import JobStatus
from domain.values import ObjectKey
from tests.http.support import Service, serving


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
