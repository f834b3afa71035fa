"""Projects, jobs and executions for tests, stored as use cases store them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from domain.api_key import ApiKey, KeyId, KeyText
from domain.audit import Act, AuditEntry, AuditEntryId
from domain.caller import Caller, Scope
from domain.delivery import Delivery, DeliveryId
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.language import LANGUAGES
from domain.limits import STANDARD_LIMITS
from domain.project import Project, ProjectStatus
from domain.sealed_secrets import SealedSecrets
from domain.session import Session, SessionId, SessionToken
from domain.submission import JobSpec
from domain.tenant import DEFAULT_TENANT, TenantName
from domain.trace_context import TraceContext
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId, ProjectName, WebhookId
from domain.webhook import Webhook
from domain.webhook_event import WebhookEvent
from domain.webhook_url import WebhookUrl
from tests.support.callers import ANONYMOUS
from tests.support.stores import Store

NOW = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(seconds=5)


def a_spec(**changes) -> JobSpec:
    """Return the specification of a program."""
    return replace(
        JobSpec(
            code_key=ObjectKey("demo/main.py"),
            language=LANGUAGES["python"],
            limits=STANDARD_LIMITS.resolve({}),
        ),
        **changes,
    )


def an_api_key(**changes) -> ApiKey:
    """Return a key of the tenant `acme`."""
    key = ApiKey(
        id=KeyId(uuid4()),
        tenant=TenantName("acme"),
        name="a key",
        digest=KeyText.generate().digest,
        scopes=frozenset({Scope.JOBS_READ}),
        created_at=NOW,
        created_by="anonymous",
    )
    return replace(key, **changes)


def a_webhook(**changes) -> Webhook:
    """Return an unstored webhook of the tenant `acme`."""
    webhook = Webhook(
        id=WebhookId(uuid4()),
        tenant=TenantName("acme"),
        project=None,
        url=WebhookUrl("https://hooks.example.com/in?token=1"),
        events=frozenset({WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_CANCELLED}),
        secret=SealedSecrets("k1", "wrapped", "box"),
        created_at=NOW,
        created_by="key:7",
    )
    return replace(webhook, **changes)


def a_delivery(**changes) -> Delivery:
    """Return an unstored delivery of the tenant `acme` about a job."""
    delivery = Delivery(
        id=DeliveryId(uuid4()),
        tenant=TenantName("acme"),
        project=None,
        webhook_id=WebhookId(uuid4()),
        receiver="receiver",
        event=WebhookEvent.JOB_COMPLETED,
        subject=uuid4(),
        occurred_at=NOW,
    )
    return replace(delivery, **changes)


def a_session(**changes) -> Session:
    """Return an unstored session of a member of the tenant `acme`."""
    return replace(
        Session(
            id=SessionId(uuid4()),
            digest=SessionToken.generate().digest,
            home=TenantName("acme"),
            tenant=TenantName("acme"),
            principal="user:1",
            name="one@example.com",
            scopes=frozenset({Scope.JOBS_READ}),
            created_at=NOW,
            seen_at=NOW,
            expires_at=NOW + timedelta(hours=12),
        ),
        **changes,
    )


def new_execution_id() -> ExecutionId:
    """Return a new execution id."""
    return ExecutionId(uuid4())


def an_audit_entry(number: int, **changes) -> AuditEntry:
    """Return an audit entry whose id is this number."""
    entry = AuditEntry(
        id=AuditEntryId(UUID(int=number)),
        at=NOW,
        tenant=TenantName("acme"),
        principal="key:1",
        act=Act.JOB_UPLOAD,
        subject="a job",
    )
    return replace(entry, **changes)


def a_project(store: Store, name: str = "demo", caller: Caller = ANONYMOUS) -> Project:
    """Store a project."""
    return store.run(
        lambda transaction: transaction.projects.get_or_add(caller, ProjectName(name), None, NOW)
    )


def the_project(project_id: int) -> Project:
    """Return a project with an id, stored or not."""
    return Project(
        id=ProjectId(project_id),
        tenant=DEFAULT_TENANT,
        name=ProjectName("demo"),
        description=None,
        status=ProjectStatus.ACTIVE,
        created_at=NOW,
        active_at=NOW,
    )


def a_job(
    store: Store, *, project: str = "demo", caller: Caller = ANONYMOUS, now: datetime = NOW, **spec
) -> Job:
    """Store a PENDING job."""
    job, _events = Job.submit(JobId(uuid4()), a_project(store, project, caller), a_spec(**spec), now)
    store.run(lambda transaction: transaction.jobs.add(job))
    return job


def a_running_job(
    store: Store,
    *,
    stdin: str | None = None,
    now: datetime = NOW,
    delay_s: float = 0.0,
    trace: TraceContext | None = None,
    **spec,
) -> tuple[Job, Execution]:
    """Store a RUNNING job with an execution that waits, or is delayed."""
    pending = a_job(store, now=now, **spec)
    job, execution, _events = pending.start(new_execution_id(), stdin, now, trace=trace)

    def work(transaction):
        transaction.jobs.replace(pending, job)
        transaction.executions.add(job, execution, delay_s)

    store.run(work)
    return job, execution


def a_claimed_job(store: Store, worker: str = "worker", lease_s: float = 30) -> tuple[Job, Execution]:
    """Store a RUNNING job whose execution a worker has claimed. No other execution may be waiting."""
    job, _execution = a_running_job(store)
    (claimed,) = store.run(lambda transaction: transaction.executions.claim_next(worker, lease_s))
    assert claimed.job_id == job.id
    return job, claimed


def cancel(store: Store, job: Job, now: datetime = LATER) -> Job:
    """Cancel a job, as its owner does."""
    after, _events = job.cancel(now)
    store.run(lambda transaction: transaction.jobs.replace(job, after))
    return after


def end(store: Store, job: Job, status: JobStatus, now: datetime = LATER) -> Job:
    """Put a job into a terminal status."""
    reason = None if status is JobStatus.SUCCESS else Reason.INTERNAL
    after = replace(job, status=status, reason=reason, completed_at=now, updated_at=now)
    store.run(lambda transaction: transaction.jobs.replace(job, after))
    return after
