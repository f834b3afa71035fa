"""The counterpart of generated clients: a service, its document, and an execution that waits for a report."""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from application.new_files import NewBlob, NewFile
from application.ports.execution_engine import EngineReport, ExecutionObserver, ExecutionRequest
from tests.http.support import Service, poll, serving
from tests.support.keys import Keys, bearer
from tests.support.receiver import receiver
from tests.support.scripted_engine import echo, take_over
from tests.unit.entrypoints.test_webhook_signature import OLD, signed

# The file that each program leaves, in a directory.
CONTENT = b"\xffdone\n"
ARTIFACT = NewFile("out/report.txt", NewBlob.of(CONTENT))


def echo_and_write(request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
    """Copy stdin to stdout, leave a file, and succeed."""
    return replace(echo(request, observer), artifacts=[ARTIFACT])


@dataclass(frozen=True)
class Delegated:
    """An execution that its engine has taken over, and the engine's signed report of its end."""

    execution_id: str
    report: dict[str, object]
    signature: dict[str, str]


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    secrets = (SecretStr(OLD),)
    with serving(
        tmp_path_factory.mktemp("called"), auth="keys", webhook_secrets=secrets, webhook_allow_private=True
    ) as service:
        service.engine.program = echo_and_write
        yield service


@pytest.fixture
def hook() -> Iterator[str]:
    """The address of a receiver of webhooks."""
    with receiver() as server:
        yield server.url


@pytest.fixture(scope="package")
def keys(service: Service) -> Keys:
    """The service's keys."""
    return Keys(service.container.unit_of_work())


@pytest.fixture(scope="package", autouse=True)
def key(service: Service, keys: Keys) -> str:
    """A key for every operation, which the service's own client brings as well."""
    key = keys.add("default")
    service.http.headers.update(bearer(key))
    return key


@pytest.fixture(scope="package")
def document(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_text(service.http.get("/openapi.json").text)
    return path


@pytest.fixture(scope="package")
def operation_ids(document: Path) -> set[str]:
    paths = json.loads(document.read_text())["paths"].values()
    return {operation["operationId"] for operations in paths for operation in operations.values()}


@pytest.fixture
def delegated(service: Service) -> Delegated:
    service.engine.program = take_over
    job_id = service.upload(execute=True)["job_id"]
    execution = poll(lambda: _started(service, job_id))
    service.engine.program = echo_and_write
    report = {"execution_id": execution["execution_id"], "stdout": "done\n", "exit_code": 0}
    body = json.dumps(report, separators=(",", ":")).encode()  # as both clients write it
    return Delegated(
        execution["execution_id"], report, signed(body, timestamp=int(time.time()), message_id=job_id)
    )


def _started(service: Service, job_id: str) -> dict | None:
    (execution,) = service.http.get(f"/api/jobs/{job_id}").json()["executions"]
    return execution if execution["started_at"] else None
