"""A client that openapi-python-client makes of the document calls every operation."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from domain.caller import Scope
from tests.generated_clients.conftest import Delegated
from tests.http.support import UNKNOWN_ID, Service
from tests.support.keys import Keys

_PACKAGE = "service_server_client"


@pytest.fixture(scope="module")
def package(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generate the client; a warning means that something of the document is missing from it."""
    directory = tmp_path_factory.mktemp("client")
    tools = Path(sys.executable).parent
    command = [tools / "openapi-python-client", "generate", "--path", document, "--meta", "none"]
    made = subprocess.run(
        [*command, "--output-path", directory / _PACKAGE],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PATH": f"{tools}:{os.environ['PATH']}"},
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "arning" not in made.stdout + made.stderr
    return directory


@pytest.fixture
def client(package: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(package))
    return importlib.import_module(_PACKAGE)


def test_every_operation_can_be_called(
    service: Service,
    client: ModuleType,
    operation_ids: set[str],
    delegated: Delegated,
    key: str,
    keys: Keys,
):
    models = importlib.import_module(f"{_PACKAGE}.models")
    upload = models.UploadRequest(project="python client", code="print(1)", language="py")
    waiting, to_cancel = (service.upload(project="python client")["job_id"] for _ in range(2))
    ended = service.run(project="python client")
    job = {"job_id": ended["job_id"]}
    service.http.post("/api/project", json={"project_name": "to delete"}).raise_for_status()
    named = {"project": "python client"}
    to_rotate, to_revoke = keys.id(keys.add("python")), keys.id(keys.add("python"))
    keys.add("python-to-delete", frozenset({Scope.JOBS_READ}))
    tenant = {"tenant": "python"}
    calls: dict[str, dict[str, Any]] = {
        "uploadCode": {"body": upload},
        "executeJob": {"job_id": waiting, "body": models.ExecuteRequest(stdin="in")},
        "cancelJob": {"job_id": to_cancel},
        **dict.fromkeys(("getJob", "getStatus", "getTimeline", "followEvents"), job),
        "getJobStatus": {**job, "wait": 0.1},
        "followOutput": {**job, "offset": 0},
        "readOutput": {**job, "stream": models.ReadOutputStream.STDOUT},
        "readLog": {"log_key": ended["log_key"]},
        "readLogByLink": dict(httpx.URL(ended["logs_url"]).params),
        "listJobs": {"limit": 1, "tag": []},
        "listProjectJobs": named,
        "createProject": {"body": models.ProjectRequest(project_name="python client")},
        "archiveProject": named,
        "restoreProject": named,
        "deleteProject": {"project": "to delete"},
        "deleteJob": {"job_id": service.run(project="python client")["job_id"]},
        "createKey": {"body": models.KeyRequest.from_dict({"name": "made", "scopes": ["jobs:read"]})},
        "rotateKey": {
            "key_id": str(to_rotate),
            "body": models.RotationRequest.from_dict({"overlap_s": 60}),
            **tenant,
        },
        "revokeKey": {"key_id": str(to_revoke), **tenant},
        "createTenant": {"body": models.TenantRequest.from_dict({"tenant": "python-made"})},
        "getTenant": tenant,
        "changeTenant": {**tenant, "body": models.TenantChange.from_dict({"status": "SUSPENDED"})},
        "setQuota": {**tenant, "body": models.QuotaRequest.from_dict({"running": 1})},
        "deleteTenant": {"tenant": "python-to-delete"},
        **{name: {} for name in ("listKeys", "listTenants", "listAuditEntries", "listUsage", "getQuotaUse")},
        "getClusterMetrics": {"cluster_name": "local", "minutes": 5},
        "listMetricNames": {"cluster_name": "local"},
        "reportCompletion": {
            "execution_id": delegated.execution_id,
            "body": models.EngineReport.from_dict(delegated.report),
        },
        **{name: {} for name in ("listProjects", "listLanguages", "getEngine")},
        **{name: {} for name in ("getHealth", "getLiveness", "getReadiness")},
    }
    url = str(service.http.base_url)
    plain = client.AuthenticatedClient(base_url=url, token=key)
    signature = dict(delegated.signature)
    signing = client.AuthenticatedClient(
        base_url=url,
        token=signature.pop("webhook-signature"),
        prefix="",
        auth_header_name="webhook-signature",
        headers=signature,
    )

    assert calls.keys() == operation_ids
    with plain, signing:
        for name, arguments in calls.items():
            caller = signing if name == "reportCompletion" else plain
            answer = _operation(name)(client=caller, **arguments)
            assert answer.status_code in {200, 204}, (name, answer.content)
            assert (answer.parsed is None) is (answer.status_code == 204), name
            assert not isinstance(answer.parsed, models.Problem), name


def test_an_error_is_read_as_one(service: Service, client: ModuleType, key: str):
    models = importlib.import_module(f"{_PACKAGE}.models")
    url = str(service.http.base_url)

    with client.AuthenticatedClient(base_url=url, token=key) as plain:
        answer = _operation("getJob")(client=plain, job_id=UNKNOWN_ID)
    with client.AuthenticatedClient(base_url=url, token="ssk_nobodys") as nobody:
        refusal = _operation("getJob")(client=nobody, job_id=UNKNOWN_ID)

    assert isinstance(answer.parsed, models.Problem)
    assert (answer.parsed.status, answer.parsed.detail) == (404, f"job '{UNKNOWN_ID}' does not exist")
    assert (refusal.parsed.status, refusal.headers["www-authenticate"]) == (401, "Bearer")


def _operation(name: str) -> Callable[..., Any]:
    module = re.sub(r"(?=[A-Z])", "_", name).lower()
    api = Path(importlib.import_module(f"{_PACKAGE}.api").__file__ or "").parent
    (tag,) = (path.parent.name for path in api.glob(f"*/{module}.py"))
    operation: Callable[..., Any] = importlib.import_module(f"{_PACKAGE}.api.{tag}.{module}").sync_detailed
    return operation
