"""Tricks by which a caller of one tenant tries to reach another tenant's things.

Each is a request; names in braces stand for the victim's things, and for the attacker's own where they begin
with `own_`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Trick:
    """A request of an attacker.

    Attributes:
        reaches: Whether the victim's own key would get its things by it.
        creates: Whether the attacker may make a thing of its own by it.
        recalls: Whether the answer has the names that the attacker used in earlier requests.
    """

    name: str
    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    json: object = None
    form: Mapping[str, str] | None = None
    reaches: bool = False
    creates: bool = False
    recalls: bool = False


def _own(trick: str, target: str, **more: object) -> Trick:
    """Return a read that the victim itself would make."""
    return Trick(trick, "GET", target, reaches=True, **more)  # type: ignore[arg-type]


def _upload(project: str, **more: str) -> Mapping[str, str]:
    return {"project": project, "code": "", "language": "python", **more}


_PAGE = {"Accept": "text/html"}
_JOB = (
    _own("a job by its id", "/api/jobs/{job}"),
    _own("its status", "/api/jobs/{job}/status"),
    _own("its status at the older address", "/api/status/{job}"),
    _own("a wait for it", "/api/status/{job}?wait=5"),
    _own("its output as a stream", "/api/jobs/{job}/output"),
    _own("its output from an offset on", "/api/jobs/{job}/output?offset=0"),
    _own("its output as a whole", "/api/jobs/{job}/output/stdout"),
    _own("a part of its output", "/api/jobs/{job}/output/stdout", headers={"Range": "bytes=0-4"}),
    _own("its events", "/api/jobs/{job}/events"),
    _own("its timeline", "/api/jobs/{job}/timeline"),
    Trick("its output after an event", "GET", "/api/jobs/{job}/output", {"Last-Event-ID": "{execution}:0:0"}),
    Trick("its events after one", "GET", "/api/jobs/{job}/events", {"Last-Event-ID": "1.1"}),
    Trick("the stream of one that runs", "GET", "/api/jobs/{running}/output"),
    Trick("the events of one that runs", "GET", "/api/jobs/{running}/events"),
    Trick("its head", "HEAD", "/api/jobs/{job}"),
    Trick("whether any version is there", "GET", "/api/jobs/{job}", {"If-None-Match": "*"}),
    Trick("whether its version is known", "GET", "/api/jobs/{job}", {"If-None-Match": "{etag}"}),
    Trick("whether its log is known", "GET", "/api/log?log_key={log_key}", {"If-None-Match": "{log_etag}"}),
    Trick(
        "whether its output is known",
        "GET",
        "/api/jobs/{job}/output/stdout",
        {"If-None-Match": '"{execution}-stdout"'},
    ),
    Trick("its id in upper case", "GET", "/api/jobs/{upper_job}"),
    Trick("its id with each character encoded", "GET", "/api/jobs/{encoded_job}"),
    Trick("its id encoded twice", "GET", "/api/jobs/{twice_encoded_job}"),
    Trick("its id in fullwidth digits", "GET", "/api/jobs/{fullwidth_job}"),
    Trick("its id in braces", "GET", "/api/jobs/%7B{job}%7D"),
    Trick("its id as a URN", "GET", "/api/jobs/urn:uuid:{job}"),
    Trick("its id with a NUL", "GET", "/api/jobs/{job}%00"),
    Trick("its id after dots", "GET", "/api/jobs/{own_job}/../{job}"),
    Trick("its id after encoded dots", "GET", "/api/jobs/{own_job}%2f..%2f{job}"),
    Trick("its id between slashes", "GET", "//api//jobs//{job}"),
    Trick("its id after a backslash", "GET", "/api/jobs/%5c{job}"),
    Trick("its id in a second parameter", "GET", "/api/jobs/{own_job}?jobId={job}&job_id={job}"),
    Trick("its id with a parameter", "GET", "/api/jobs/{job};tenant=beta"),
    Trick("its id with the tenant in the query", "GET", "/api/jobs/{job}?tenant=beta&project={project_id}"),
    Trick("its id with the tenant in headers", "GET", "/api/jobs/{job}", {"X-Tenant": "beta"}),
    Trick("another method in a header", "GET", "/api/jobs/{job}", {"X-HTTP-Method-Override": "DELETE"}),
    Trick("another address in a header", "GET", "/api/jobs/{own_job}", {"X-Original-URL": "/api/jobs/{job}"}),
    Trick("a forwarded address", "GET", "/api/jobs/{job}", {"X-Forwarded-For": "127.0.0.1"}),
    Trick("an execution's id for a job's", "GET", "/api/jobs/{execution}"),
    Trick("execute it", "POST", "/api/execute/{pending}"),
    Trick("execute it with input", "POST", "/api/execute/{pending}", json={"stdin": "mine"}),
    Trick("cancel one that runs", "POST", "/api/cancel/{running}"),
    Trick("cancel one that waits", "POST", "/api/cancel/{pending}"),
    Trick("delete it", "DELETE", "/api/jobs/{job}"),
    Trick("delete one that runs", "DELETE", "/api/jobs/{running}"),
)
_PROJECTS = (
    _own("a project's jobs by its name", "/api/projects/{project}/jobs"),
    _own("a project's jobs by its id", "/api/projects/{project_id}/jobs"),
    Trick("its id with zeros", "GET", "/api/projects/000{project_id}/jobs"),
    Trick("its id with a space", "GET", "/api/projects/%20{project_id}/jobs"),
    Trick("the project's id in fullwidth digits", "GET", "/api/projects/{fullwidth_project_id}/jobs"),
    Trick("its name with its tenant's", "GET", "/api/projects/beta%2f{project}/jobs"),
    Trick("its name encoded twice", "GET", "/api/projects/{twice_encoded_project}/jobs"),
    Trick("archive it", "POST", "/api/projects/{project_id}/archive"),
    Trick("archive it by its name", "POST", "/api/projects/{project}/archive"),
    Trick("restore it", "POST", "/api/projects/{project_id}/restore"),
    Trick("delete it by its id", "DELETE", "/api/projects/{project_id}"),
    Trick("purge it by its id", "DELETE", "/api/projects/{project_id}?purge=true"),
    Trick("purge it by its name", "DELETE", "/api/projects/{project}?purge=true"),
    Trick("get or make it", "POST", "/api/project?project_name={project}", creates=True),
    Trick(
        "upload to its id",
        "POST",
        "/api/upload",
        json=_upload("{project_id}"),
    ),
    Trick(
        "upload to its name",
        "POST",
        "/api/upload",
        json=_upload("{project}"),
        creates=True,
    ),
    Trick(
        "upload to its tenant's directory",
        "POST",
        "/api/upload",
        json=_upload("tenants/beta/{project}"),
    ),
    Trick(
        "upload above the own directory",
        "POST",
        "/api/upload",
        json=_upload("../beta/{project}"),
    ),
    Trick(
        "upload as another tenant",
        "POST",
        "/api/upload",
        json=_upload("mine", tenant="beta"),
        creates=True,
    ),
)
_ARTIFACT = "/api/jobs/{wrote}/artifacts/wrote.txt"
_SET = "/api/projects/{project_id}/case-sets/final"
_WEBHOOK = "/api/webhooks/{webhook}"
_CASES = {"cases": [{"stdin": "mine"}]}
_MANY_INPUTS = (
    _own("a file that a program wrote", _ARTIFACT),
    _own("a part of it", _ARTIFACT, headers={"Range": "bytes=0-8"}),
    Trick("whether any such file is there", "GET", _ARTIFACT, {"If-None-Match": "*"}),
    Trick("its head, without its content", "HEAD", _ARTIFACT),
    Trick(
        "the file from the own job on",
        "GET",
        "/api/jobs/{own_job}/artifacts/../../{wrote}/artifacts/wrote.txt",
    ),
    Trick("the file by encoded dots", "GET", "/api/jobs/{own_job}/artifacts/%2e%2e%2f{wrote}%2fwrote.txt"),
    _own("results of cases", "/api/jobs/{judged}/cases"),
    Trick("run a job again", "POST", "/api/jobs/{job}/rerun"),
    Trick("run it with other cases", "POST", "/api/jobs/{judged}/rerun", json=_CASES),
    Trick("run one with secrets again", "POST", "/api/jobs/{pending}/rerun", json={"args": ["mine"]}),
    _own("the case sets of a project", "/api/projects/{project_id}/case-sets"),
    _own("a case set", _SET),
    _own("a version of it", f"{_SET}?version=1"),
    # By now the attacker has a project of that name.
    _own("a case set by its project's name", "/api/projects/{project}/case-sets/final", creates=True),
    Trick("put a case set into it", "PUT", _SET, json=_CASES),
    Trick("put one by its name", "PUT", "/api/projects/{project}/case-sets/final", json=_CASES, creates=True),
    Trick("delete its case set", "DELETE", _SET),
    Trick(
        "a job with its case set",
        "POST",
        "/api/upload",
        json={**_upload("{project_id}"), "case_set": "final"},
    ),
    Trick(
        "a batch in its project",
        "POST",
        "/api/batches",
        json={"jobs": [_upload("mine"), _upload("{project_id}")]},
    ),
    _own("all batches", "/api/batches"),
    _own("a batch", "/api/batches/{batch}"),
    _own("a wait for one", "/api/batches/{batch}?wait=1"),
    Trick("cancel a batch", "POST", "/api/batches/{batch}/cancel"),
    Trick("a job's id for a batch's", "GET", "/api/batches/{job}"),
    _own("all webhooks", "/api/webhooks"),
    _own("the webhooks of a project", "/api/webhooks?project={project_id}"),
    Trick("the deliveries of a webhook", "GET", f"{_WEBHOOK}/deliveries"),
    Trick("rotate its secret", "POST", f"{_WEBHOOK}/rotate"),
    Trick("a test of it", "POST", f"{_WEBHOOK}/test"),
    Trick("enable it", "PATCH", _WEBHOOK, json={"status": "ACTIVE"}),
    Trick("delete it for good", "DELETE", _WEBHOOK),
    Trick("post an event again", "POST", f"{_WEBHOOK}/deliveries/{{delivery}}/redeliver"),
    Trick("post it by the own job", "POST", "/api/jobs/{own_job}/deliveries/{delivery}/redeliver"),
    Trick("a job's deliveries", "GET", "/api/jobs/{job}/deliveries"),
    Trick(
        "hear of its project",
        "POST",
        "/api/webhooks",
        json={"url": "https://mine.example/", "project": "{project_id}"},
    ),
)
_LISTS = (
    _own("all jobs", "/api/jobs?limit=1000"),
    _own("jobs by a tag", "/api/jobs?tag=team:krait-tag"),
    Trick("jobs by a tag, in the own project", "GET", "/api/projects/mine/jobs?tag=team:krait-tag"),
    _own("jobs by status", "/api/jobs?status=SUCCESS&status=RUNNING&status=PENDING"),
    _own("jobs by phase", "/api/jobs?phase=running&phase=ended"),
    _own("jobs by language", "/api/jobs?language=python"),
    _own("jobs by time", "/api/jobs?created_after=2000-01-01T00:00:00Z"),
    _own("jobs after a cursor", "/api/jobs?cursor={cursor}"),
    Trick("jobs of the own project after a cursor", "GET", "/api/projects/mine/jobs?cursor={cursor}"),
    Trick("jobs of another project after a cursor", "GET", "/api/projects/{project_id}/jobs?cursor={cursor}"),
    Trick("jobs of a named tenant", "GET", "/api/jobs?tenant=beta&limit=1000"),
    Trick("jobs of a project in the query", "GET", "/api/jobs?project={project_id}&project_id={project_id}"),
    _own("all projects", "/api/projects"),
    Trick("projects of a named tenant", "GET", "/api/projects?tenant=beta"),
)
_LOGS = (
    _own("a log by its key", "/api/log?log_key={log_key}"),
    Trick("a log by its key, encoded", "GET", "/api/log?log_key={encoded_log_key}"),
    Trick("a log by its key, encoded twice", "GET", "/api/log?log_key={twice_encoded_log_key}"),
    Trick("a log from the own directory on", "GET", "/api/log?log_key=tenants/acme/../beta/logs/{log_name}"),
    Trick("a log from the logs on", "GET", "/api/log?log_key=logs/../{log_key}"),
    Trick("a log with encoded dots", "GET", "/api/log?log_key=logs/%2e%2e/{log_key}"),
    Trick("a log with overlong dots", "GET", "/api/log?log_key=logs/%c0%ae%c0%ae/{log_key}"),
    Trick("a log with fullwidth dots", "GET", "/api/log?log_key=logs/%ef%bc%8e%ef%bc%8e/{log_key}"),
    Trick("a log with a backslash", "GET", "/api/log?log_key=tenants%5cbeta%5clogs%5c{log_name}"),
    Trick("a log with two slashes", "GET", "/api/log?log_key=tenants//beta//logs/{log_name}"),
    Trick("a log with a slash before", "GET", "/api/log?log_key=/{log_key}"),
    Trick("a log in upper case", "GET", "/api/log?log_key=TENANTS/BETA/logs/{log_name}"),
    Trick("a log with a NUL", "GET", "/api/log?log_key={log_key}%00"),
    Trick("a log with a space", "GET", "/api/log?log_key={log_key}%20"),
    Trick("a log with a line's end", "GET", "/api/log?log_key={log_key}%0a"),
    Trick("a log after the own one", "GET", "/api/log?log_key={own_log_key}&log_key={log_key}"),
    Trick("a log before the own one", "GET", "/api/log?log_key={log_key}&log_key={own_log_key}"),
    Trick("a log with a dot's segment", "GET", "/api/log?log_key=./{log_key}"),
    Trick("a log with a joiner", "GET", "/api/log?log_key=tenants/be%E2%80%8Bta/logs/{log_name}"),
    Trick("code by its key", "GET", "/api/log?log_key={code_key}"),
    Trick("code in the logs' directory", "GET", "/api/log?log_key=../code/{code_key}"),
    Trick("the own link's signature", "GET", "/api/log-link?log_key={log_key}&{own_signature}"),
    Trick("no signature", "GET", "/api/log-link?log_key={log_key}&expires=99999999999&signature="),
    Trick("an invented signature", "GET", "/api/log-link?log_key={log_key}&expires=99999999999&signature=AA"),
    Trick(
        "the own link, then a log",
        "GET",
        "/api/log-link?log_key={own_log_key}&{own_signature}&log_key={log_key}",
    ),
    Trick(
        "a report on an execution", "POST", "/api/executions/{execution}/completion", json={"stdout": "mine"}
    ),
    Trick(
        "a report with an invented signature",
        "POST",
        "/api/executions/{execution}/completion",
        {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"},
        json={"stdout": "mine"},
    ),
)
_KEY = {"name": "k", "scopes": ["jobs:read"]}
_ADMINISTRATION = (
    _own("all keys", "/api/keys"),
    Trick("keys of a named tenant", "GET", "/api/keys?tenant=beta"),
    Trick("revoke a key", "DELETE", "/api/keys/{key_id}"),
    Trick("rotate a key", "POST", "/api/keys/{key_id}/rotate"),
    Trick(
        "a key of another tenant",
        "POST",
        "/api/keys",
        json={"name": "k", "scopes": ["jobs:read"], "tenant": "beta"},
    ),
    Trick(
        "a key of another's project",
        "POST",
        "/api/keys",
        json={**_KEY, "project": "{project_id}"},
    ),
    Trick("a key with more rights", "POST", "/api/keys", json={**_KEY, "scopes": ["admin"]}),
    Trick("all tenants", "GET", "/api/tenants"),
    Trick("a tenant", "GET", "/api/tenants/beta"),
    Trick("suspend a tenant", "PATCH", "/api/tenants/beta", json={"status": "SUSPENDED"}),
    Trick("delete a tenant", "DELETE", "/api/tenants/beta"),
    Trick("a tenant's quota", "PUT", "/api/tenants/beta/quota", json={"running": 0}),
    Trick("a new tenant", "POST", "/api/tenants", json={"tenant": "gamma"}),
    Trick("usage of a named tenant", "GET", "/api/usage?tenant=beta&project={project_id}"),
    Trick("usage", "GET", "/api/usage"),
    Trick("audit of a named tenant", "GET", "/api/audit?tenant=beta", recalls=True),
    Trick("audit", "GET", "/api/audit?limit=1000", recalls=True),
    Trick(
        "the first answer to another's upload",
        "POST",
        "/api/upload",
        {"Idempotency-Key": "krait-1"},
        json=_upload("{project}"),
        creates=True,
    ),
)
_SESSION = {**_PAGE, "Cookie": "{cookie}"}


def _page(target: str) -> Trick:
    return Trick(f"the page {target}", "GET", target, _SESSION)


def _form(target: str, **fields: str) -> Trick:
    return Trick(f"the form {target}", "POST", target, _SESSION, form={"csrf": "{csrf}", **fields})


_DASHBOARD = (
    _page("/dashboard/projects"),
    _page("/dashboard/projects/{project_id}"),
    _page("/dashboard/projects/{project_id}/jobs"),
    _page("/dashboard/jobs/{job}"),
    _page("/dashboard/jobs/{job}/state"),
    _page("/dashboard/jobs/{job}/curl"),
    _page("/dashboard/jobs/{job}/code"),
    _page("/dashboard/jobs/{job}/files/data.txt"),
    _page("/dashboard/jobs/{job}/compare"),
    _page("/dashboard/jobs/{job}/compare?with={judged}"),
    _page("/dashboard/jobs/{judged}/cases"),
    _page("/dashboard/batches"),
    _page("/dashboard/batches/{batch}"),
    _page("/dashboard/batches/{batch}/state"),
    _page("/dashboard/projects/{project_id}/case-sets"),
    _page("/dashboard/projects/{project_id}/case-sets/final"),
    _page("/dashboard/webhooks"),
    _page("/dashboard/webhooks/{webhook}"),
    _page("/dashboard/webhooks/{webhook}/list"),
    _form("/dashboard/batches/{batch}/cancel"),
    _form("/dashboard/projects/{project_id}/case-sets/final/delete"),
    _form("/dashboard/webhooks/{webhook}/rotate"),
    _form("/dashboard/webhooks/{webhook}/test"),
    _form("/dashboard/webhooks/{webhook}/change", to="delete"),
    _form("/dashboard/webhooks/{webhook}/deliveries/{delivery}/redeliver"),
    _page("/dashboard/cluster"),
    _page("/dashboard/cluster/history"),
    _page("/dashboard/cluster/queue"),
    _page("/dashboard/waits"),
    _page("/dashboard/keys"),
    _page("/dashboard/keys/list"),
    _page("/dashboard/members"),
    _page("/dashboard/members/list"),
    _page("/dashboard/tenants"),
    _page("/api/jobs/{job}"),
    _form("/dashboard/jobs/{job}/again"),
    _form("/dashboard/jobs/{running}/cancel"),
    _form("/dashboard/jobs/{pending}/execute"),
    _form("/dashboard/projects/{project_id}/archive"),
    _form("/dashboard/projects/{project_id}/restore"),
    _form("/dashboard/projects/{project_id}/run", code="", language="python"),
    _form("/dashboard/keys/{key_id}/revoke"),
    _form("/dashboard/keys/{key_id}/rotate"),
    _form("/dashboard/members/sessions/{session}/end"),
    _form("/dashboard/tenants/switch", tenant="beta"),
)
TRICKS = (*_JOB, *_PROJECTS, *_MANY_INPUTS, *_LISTS, *_LOGS, *_ADMINISTRATION, *_DASHBOARD)
