from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from threading import Lock
from uuid import UUID

from application.messages import Message
from application.ports.case_repository import CaseRange, CaseRun, JobBuild
from application.ports.cluster_history import ClusterSample
from application.ports.purge_repository import PendingDeletion, Purge
from domain.api_key import ApiKey, KeyId
from domain.audit import AuditEntry, AuditEntryId, ChainLink, LedgerEntry, Usage
from domain.batch import Batch
from domain.caller import Caller
from domain.case_set import CaseSetName, CaseSetVersion
from domain.cases import CaseResult
from domain.delivery import Delivery, DeliveryId
from domain.execution import Execution
from domain.execution_lifecycle import ExecutionState
from domain.idempotency import KeyRecord
from domain.job import Job
from domain.project import Project, ProjectStatus
from domain.retention import Retention
from domain.session import Session, SessionId
from domain.tenant import DEFAULT_TENANT, Tenant, TenantName, TenantStatus
from domain.values import BatchId, ExecutionId, JobId, MessageId, ProjectId, WebhookId
from domain.webhook import Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedExecution:
    """An execution and its position in the queue."""

    execution: Execution
    tenant: TenantName
    waiting_since: datetime
    queue: str | None = None
    leased_at: datetime | None = None
    lease_expires_at: datetime | None = None
    log_bytes: int = 0

    @property
    def is_postponed(self) -> bool:
        """Whether its engine refused it and its delay is not over."""
        return self.execution.state is ExecutionState.DELAYED and self.execution.deferred_since is not None


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message, with the times at which it was added and at which a sweep last took it."""

    message: Message
    added_at: datetime
    taken_at: datetime | None = None

    @property
    def in_hand_since(self) -> datetime:
        """The time since which a process may be publishing the message."""
        return self.taken_at or self.added_at


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRange:
    """Cases that have yet to run, and the lease of the thread that claimed them."""

    range: CaseRange
    leased_at: datetime | None = None
    lease_expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPurge:
    """A purge, and the process that performs it."""

    purge: Purge
    is_emptied: bool = False
    taken_at: datetime | None = None
    taken_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDeletion:
    """An object to delete, and the purge that it belongs to."""

    deletion: PendingDeletion
    purge_id: UUID | None
    taken_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBlob:
    """A blob, whether it is counted, and since when it may have been unreferenced."""

    size: int
    is_stored: bool
    idle_since: datetime | None


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery to a webhook, and the time when it is due or its lease ends."""

    delivery: Delivery
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Tables:
    """All stored data. After a transaction has committed its tables, they never change."""

    projects: dict[ProjectId, Project] = field(default_factory=dict)
    last_ids: dict[str, int] = field(default_factory=dict)
    jobs: dict[JobId, Job] = field(default_factory=dict)
    batches: dict[BatchId, Batch] = field(default_factory=dict)
    executions: dict[ExecutionId, QueuedExecution] = field(default_factory=dict)
    outbox: dict[MessageId, StoredMessage] = field(default_factory=dict)
    inbox: dict[tuple[str, str], datetime] = field(default_factory=dict)
    heartbeats: dict[str, tuple[datetime, frozenset[str]]] = field(default_factory=dict)
    cluster_history: dict[tuple[int, datetime], ClusterSample] = field(default_factory=dict)
    case_runs: dict[JobId, CaseRun] = field(default_factory=dict)
    job_builds: dict[tuple[JobId, str], JobBuild] = field(default_factory=dict)
    case_set_versions: dict[tuple[ProjectId, CaseSetName, int], CaseSetVersion] = field(default_factory=dict)
    case_ranges: dict[UUID, StoredRange] = field(default_factory=dict)
    case_results: dict[tuple[JobId, int], CaseResult] = field(default_factory=dict)
    purges: dict[UUID, StoredPurge] = field(default_factory=dict)
    deletions: dict[str, StoredDeletion] = field(default_factory=dict)
    blobs: dict[tuple[TenantName, str], StoredBlob] = field(default_factory=dict)
    blob_references: set[tuple[TenantName, str, UUID]] = field(default_factory=set)
    tenants: dict[TenantName, Tenant] = field(default_factory=dict)
    keys: dict[KeyId, ApiKey] = field(default_factory=dict)
    sessions: dict[SessionId, Session] = field(default_factory=dict)
    idempotency_keys: dict[tuple[TenantName, str], KeyRecord] = field(default_factory=dict)
    audit_journal: dict[AuditEntryId, AuditEntry] = field(default_factory=dict)
    audit_ledger: list[LedgerEntry] = field(default_factory=list)
    webhooks: dict[WebhookId, Webhook] = field(default_factory=dict)
    deliveries: dict[DeliveryId, StoredDelivery] = field(default_factory=dict)
    policies: dict[tuple[TenantName, ProjectId | None], Retention] = field(default_factory=dict)
    marks: dict[str, datetime | None] = field(default_factory=dict)
    # The last entries removed from the ledger, the sums of all removed entries, and the first day that is
    # kept.
    ledger_starts: list[ChainLink] = field(default_factory=list)
    usage_removed: dict[tuple[str, str, int | None], Usage] = field(default_factory=dict)
    usage_since: dict[TenantName, date] = field(default_factory=dict)

    def copy(self) -> "Tables":
        """Return a copy that can be changed independently."""
        return Tables(
            projects=self.projects.copy(),
            last_ids=self.last_ids.copy(),
            jobs=self.jobs.copy(),
            batches=self.batches.copy(),
            executions=self.executions.copy(),
            outbox=self.outbox.copy(),
            inbox=self.inbox.copy(),
            heartbeats=self.heartbeats.copy(),
            cluster_history=self.cluster_history.copy(),
            case_runs=self.case_runs.copy(),
            job_builds=self.job_builds.copy(),
            case_set_versions=self.case_set_versions.copy(),
            case_ranges=self.case_ranges.copy(),
            case_results=self.case_results.copy(),
            purges=self.purges.copy(),
            deletions=self.deletions.copy(),
            blobs=self.blobs.copy(),
            blob_references=self.blob_references.copy(),
            tenants=self.tenants.copy(),
            keys=self.keys.copy(),
            sessions=self.sessions.copy(),
            idempotency_keys=self.idempotency_keys.copy(),
            audit_journal=self.audit_journal.copy(),
            audit_ledger=self.audit_ledger.copy(),
            webhooks=self.webhooks.copy(),
            deliveries=self.deliveries.copy(),
            policies=self.policies.copy(),
            marks=self.marks.copy(),
            ledger_starts=self.ledger_starts.copy(),
            usage_removed=self.usage_removed.copy(),
            usage_since=self.usage_since.copy(),
        )


_DEFAULT_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_CLOCK_WAS_SET = timedelta(minutes=1)


def is_from_the_future(time: datetime, now: datetime) -> bool:
    """Return whether a time was written before the database's clock was set back by a minute or more."""
    return time > now + _CLOCK_WAS_SET


def is_older(time: datetime, seconds: float, now: datetime) -> bool:
    """Return whether a time is at least this long ago."""
    return time <= now - timedelta(seconds=seconds) or is_from_the_future(time, now)


def is_reached(tables: Tables, caller: Caller, job: Job) -> bool:
    """Return whether a job belongs to the caller's tenant, and to the caller's project, if any."""
    is_purged = tables.projects[job.project_id].status is ProjectStatus.PURGED
    return not is_purged and job.tenant == caller.tenant.name and caller.reaches(job.project_id)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryDatabase:
    """The committed tables.

    Attributes:
        now: Returns the database's time, which decides leases.
        tables: The current state; each commit replaces it.
        lock: Held by the running transaction.
    """

    def __init__(self, now: Callable[[], datetime] = _utc_now) -> None:
        self.now = now
        default = Tenant(name=DEFAULT_TENANT, status=TenantStatus.ACTIVE, created_at=_DEFAULT_SINCE)
        self.tables = Tables(tenants={DEFAULT_TENANT: default})
        self.lock = Lock()
