"""A client that openapi-python-client makes of the document calls every operation."""

import hashlib
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from domain.caller import Scope
from tests.generated_clients.conftest import ARTIFACT, CONTENT, Delegated
from tests.http.support import UNKNOWN_ID, Service, poll
from tests.support.archives import zipped
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
    hook: str,
):
    models = importlib.import_module(f"{_PACKAGE}.models")
    upload = models.UploadRequest(project="python client", code="print(1)", language="py")
    waiting, to_cancel = (service.upload(project="python client")["job_id"] for _ in range(2))
    ended = service.run(project="python client", artifacts=["out/**"])
    job = {"job_id": ended["job_id"]}
    service.http.post("/api/project", json={"project_name": "to delete"}).raise_for_status()
    named = {"project": "python client"}
    to_rotate, to_revoke = keys.id(keys.add("python")), keys.id(keys.add("python"))
    keys.add("python-to-delete", frozenset({Scope.JOBS_READ}))
    tenant = {"tenant": "python"}
    called_back = service.upload(execute=True, callback_url=hook)["job_id"]
    callback = _delivered(service, f"/api/jobs/{called_back}")
    subscription = service.http.post("/api/webhooks", json={"url": hook}).raise_for_status().json()
    webhook = {"webhook_id": subscription["webhook_id"]}
    service.http.post(f"/api/webhooks/{webhook['webhook_id']}/test").raise_for_status()
    event = _delivered(service, f"/api/webhooks/{webhook['webhook_id']}")
    some_jobs = {"jobs": [{"project": "python client", "code": "print(1)", "language": "python"}] * 2}
    batch = {
        "batch_id": service.http.post("/api/batches", json=some_jobs).raise_for_status().json()["batch_id"]
    }
    cases = {"cases": [{"name": "small", "stdin": "5\n", "expected_stdout": "5\n", "weight": 2}]}
    sums = {**named, "name": "sums"}
    calls: dict[str, dict[str, Any]] = {
        "uploadCode": {"body": upload},
        "executeJob": {"job_id": waiting, "body": models.ExecuteRequest(stdin="in")},
        "cancelJob": {"job_id": to_cancel},
        **dict.fromkeys(("getJob", "getStatus", "getTimeline", "followEvents"), job),
        "getJobStatus": {**job, "wait": 0.1},
        "followOutput": {**job, "offset": 0},
        "readOutput": {**job, "stream": models.ReadOutputStream.STDOUT},
        "indexOutput": {**job, "stream": models.IndexOutputStream.STDOUT},
        "searchOutput": {**job, "stream": models.SearchOutputStream.STDOUT, "text": "out"},
        "readArtifact": {**job, "path": ARTIFACT.path},
        "rerunJob": {**job, "body": models.RerunRequest(stdin="again"), "wait": 20},
        "getCases": {"job_id": service.run(**cases)["job_id"]},
        "readLog": {"log_key": ended["log_key"]},
        "readLogByLink": dict(httpx.URL(ended["logs_url"]).params),
        "listJobs": {"limit": 1, "tag": []},
        "listProjectJobs": named,
        "createProject": {"body": models.ProjectRequest(project_name="python client")},
        "getProjectRetention": named,
        "setProjectRetention": {**named, "body": models.RetentionRequest.from_dict({"jobs_days": 365})},
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
        "getTenantRetention": tenant,
        "setTenantRetention": {**tenant, "body": models.RetentionRequest.from_dict({"logs_days": 30})},
        "deleteTenant": {"tenant": "python-to-delete"},
        **{name: {} for name in ("listKeys", "listTenants", "listAuditEntries", "listUsage", "getQuotaUse")},
        "actOnJobs": {
            "body": models.JobActionsRequest.from_dict({"action": "cancel", "filter": {"tag": ["no:job"]}})
        },
        "submitBatch": {"body": models.BatchRequest.from_dict(some_jobs)},
        "listBatches": {"limit": 1},
        "getBatch": {**batch, "wait": 20},
        "cancelBatch": batch,
        "putCaseSet": {**sums, "body": models.CaseSetRequest.from_dict(cases)},
        "getCaseSet": {**sums, "version": 1},
        "listCaseSets": named,
        "deleteCaseSet": sums,
        "createWebhook": {
            "body": models.WebhookRequest.from_dict({"url": hook, "events": ["batch.completed"]})
        },
        "listWebhooks": named,
        "changeWebhook": {**webhook, "body": models.WebhookChange.from_dict({"status": "ACTIVE"})},
        "rotateWebhookSecret": {**webhook, "body": models.SecretRotation(overlap_s=60)},
        "testWebhook": webhook,
        "listDeliveries": {**webhook, "limit": 1},
        "redeliverEvent": {**webhook, "delivery_id": event},
        "listJobDeliveries": {"job_id": called_back},
        "redeliverCallback": {"job_id": called_back, "delivery_id": callback},
        "deleteWebhook": webhook,
        "getClusterMetrics": {"cluster_name": "local", "minutes": 5},
        "listMetricNames": {"cluster_name": "local"},
        "reportCompletion": {
            "execution_id": delegated.execution_id,
            "body": models.EngineReport.from_dict(delegated.report),
        },
        **{name: {} for name in ("listProjects", "listLanguages", "listRuntimes", "getEngine")},
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


def test_files_are_uploaded_in_a_form(service: Service, client: ModuleType, key: str):
    models, types = (importlib.import_module(f"{_PACKAGE}.{name}") for name in ("models", "types"))
    job = models.UploadRequest.from_dict({"project": "forms", "code": "print(1)", "language": "python"})
    content = bytes(range(256))
    file = types.File(BytesIO(content), "data/all.bin", "application/octet-stream")
    form = models.UploadCodeFilesUploadForm(job=job, files=[file], stdin=types.File(BytesIO(b"in"), "stdin"))

    with client.AuthenticatedClient(base_url=str(service.http.base_url), token=key) as plain:
        answer = _operation("uploadCode")(client=plain, body=form)
        details = _operation("getJob")(client=plain, job_id=answer.parsed.job_id).parsed

    (stored,) = details.spec.files
    assert (stored.path, stored.sha256) == ("data/all.bin", hashlib.sha256(content).hexdigest())


def test_a_case_set_is_put_as_an_archive_in_a_form_and_as_it_is(
    service: Service, client: ModuleType, key: str
):
    models, types = (importlib.import_module(f"{_PACKAGE}.{name}") for name in ("models", "types"))
    service.http.post("/api/project", json={"project_name": "archives"}).raise_for_status()
    archives = [zipped({"1.in": b"2", "1.out": b"4"}), zipped({"1.in": b"3", "1.out": b"6"})]
    file, plain_file = (types.File(BytesIO(one), "cases.zip", "application/zip") for one in archives)
    named = {"project": "archives", "name": "doubles"}

    with client.AuthenticatedClient(base_url=str(service.http.base_url), token=key) as plain:
        put = _operation("putCaseSet")
        in_form = put(client=plain, body=models.PutCaseSetFilesCaseSetForm(archive=file), **named).parsed
        as_it_is = put(client=plain, body=plain_file, **named).parsed
        stored = _operation("getCaseSet")(client=plain, **named).parsed

    assert [in_form.version, as_it_is.version] == [1, 2]
    assert [(case.stdin, case.expected_stdout) for case in stored.cases] == [("3", "6")]


def test_an_artifact_is_read_as_bytes(service: Service, client: ModuleType, key: str):
    job_id = service.run(artifacts=["out/**"])["job_id"]

    with client.AuthenticatedClient(base_url=str(service.http.base_url), token=key) as plain:
        artifact = _operation("readArtifact")(client=plain, job_id=job_id, path=ARTIFACT.path).parsed

    assert artifact.payload.read() == CONTENT


def _delivered(service: Service, to: str) -> str:
    """Wait until the one event there was posted, and return the id of its delivery."""

    def look() -> str | None:
        found = service.http.get(f"{to}/deliveries").raise_for_status().json()
        return next((one["delivery_id"] for one in found if one["status"] == "DELIVERED"), None)

    return poll(look)


def _operation(name: str) -> Callable[..., Any]:
    module = re.sub(r"(?=[A-Z])", "_", name).lower()
    api = Path(importlib.import_module(f"{_PACKAGE}.api").__file__ or "").parent
    (tag,) = (path.parent.name for path in api.glob(f"*/{module}.py"))
    operation: Callable[..., Any] = importlib.import_module(f"{_PACKAGE}.api.{tag}.{module}").sync_detailed
    return operation
