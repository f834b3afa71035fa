"""Views of jobs and keys for callers, and the filters of lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Self

from domain.api_key import ApiKey, KeyStatus, KeyText
from domain.audit import LedgerEntry, Usage
from domain.batch import Batch
from domain.cases import CaseResult
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase, Reason, State, phase_of
from domain.project import Project
from domain.retention import Retention
from domain.tenant import TenantName
from domain.values import BatchId, JobId, ObjectKey, ProjectId, ProjectName
from domain.webhook import Webhook
from domain.webhook_signing import WebhookSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job as shown in a list, with its latest execution but without its input.

    Attributes:
        callback_secret: The generated secret of its callback, shown only by the upload.
        rerun_of: The job that it reruns; omitted in lists.
        cases: The results of its cases so far, if they were read too.
    """

    job_id: JobId
    project_id: ProjectId
    project: str
    code_key: str
    language: str
    status: JobStatus
    reason: Reason | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    tags: Mapping[str, str]
    execution: Execution | None
    callback_secret: WebhookSecret | None = None
    rerun_of: JobId | None = None
    cases: Sequence[CaseResult] = ()

    @property
    def phase(self) -> Phase:
        """The phase of the job."""
        last = self.execution
        if last is None:
            return phase_of(self.status, None, None)
        return phase_of(self.status, last.building_at, last.started_at)

    @property
    def state(self) -> State:
        """The state of the job."""
        return State.of(self.status, self.phase)

    @property
    def run_started_at(self) -> datetime | None:
        """When the program of the latest execution was started."""
        return None if self.execution is None else self.execution.started_at

    @classmethod
    def of(cls, job: Job, project: ProjectName, execution: Execution | None = None) -> Self:
        """Return the view of a job."""
        return cls(
            job_id=job.id,
            project_id=job.project_id,
            project=project.value,
            code_key=job.spec.code_key.value,
            language=job.spec.language.name,
            status=job.status,
            reason=job.reason,
            created_at=job.created_at,
            updated_at=job.updated_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            tags=job.spec.tags,
            execution=execution,
            rerun_of=job.spec.rerun_of,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOwner:
    """A job that has a log, its project and its tenant."""

    tenant: TenantName
    project_id: ProjectId
    job_id: JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatusView:
    """The status of a job."""

    job_id: JobId
    project: str
    status: JobStatus
    reason: Reason | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    timeout_ms: int
    log_key: ObjectKey | None
    phase: Phase
    run_started_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobVersion:
    """The version of a job, which differs after each change of its state."""

    status: JobStatus
    updated_at: datetime
    claimed_at: datetime | None
    building_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetails:
    """A job and its executions, the latest last.

    Attributes:
        has_reruns: Whether other jobs rerun it.
        cases: The results of its cases so far, if they were read too.
    """

    job: Job
    project: ProjectName
    executions: tuple[Execution, ...]
    has_reruns: bool = False
    cases: Sequence[CaseResult] = ()

    @property
    def latest(self) -> Execution | None:
        """The latest execution; None before the first."""
        return self.executions[-1] if self.executions else None

    @property
    def view(self) -> JobView:
        """The job with its latest execution only."""
        return replace(JobView.of(self.job, self.project, self.latest), cases=self.cases)

    @property
    def status(self) -> JobStatusView:
        """The status of the job."""
        job, view = self.job, self.view
        result = None if view.execution is None else view.execution.result
        return JobStatusView(
            job_id=job.id,
            project=self.project.value,
            status=job.status,
            reason=job.reason,
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
            timeout_ms=job.spec.limits.timeout_ms,
            log_key=None if result is None else result.log_key,
            phase=view.phase,
            run_started_at=view.run_started_at,
        )

    @property
    def version(self) -> JobVersion:
        """The version of the job."""
        last = self.latest
        return JobVersion(
            status=self.job.status,
            updated_at=self.job.updated_at,
            claimed_at=None if last is None else last.claimed_at,
            building_at=None if last is None else last.building_at,
            started_at=None if last is None else last.started_at,
            ended_at=None if last is None else last.ended_at,
        )


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last job of a page: the next page begins after it."""

    created_at: datetime
    job_id: JobId


@dataclass(frozen=True, slots=True)
class BatchCursor:
    """The last batch of a page: the next page begins after it."""

    created_at: datetime
    batch_id: BatchId


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """A batch with the number of its jobs in each status.

    Attributes:
        begun: The numbers of its jobs that are building or running.
        jobs: The ids of its jobs that are not deleted, in the order of submission; None if only the numbers
            were read.
        callback_secret: The generated secret of its callback, shown only by the submission.
    """

    batch: Batch
    by_status: Mapping[JobStatus, int]
    begun: Mapping[Phase, int] = field(default_factory=dict)
    jobs: Sequence[JobId] | None = None
    callback_secret: WebhookSecret | None = None

    @property
    def has_ended(self) -> bool:
        """Whether all of its jobs have ended."""
        return not any(number for status, number in self.by_status.items() if not status.is_terminal)

    @property
    def by_state(self) -> Mapping[State, int]:
        """The number of its jobs in each state."""
        by_status = {status: self.by_status.get(status, 0) for status in JobStatus}
        begun = {phase: self.begun.get(phase, 0) for phase in (Phase.BUILDING, Phase.RUNNING)}
        # The two numbers may have been read at different moments.
        begun[Phase.WAITING] = max(by_status.pop(JobStatus.RUNNING) - sum(begun.values()), 0)
        ended = {State.of(status, Phase.ENDED): number for status, number in by_status.items()}
        return ended | {State.of(JobStatus.RUNNING, phase): number for phase, number in begun.items()}

    @property
    def by_phase(self) -> Mapping[Phase, int]:
        """The number of its jobs in each phase."""
        numbers = dict.fromkeys(Phase, 0)
        for state, number in self.by_state.items():
            numbers[state.phase or phase_of(state.status, None, None)] += number
        return numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Filter of a list of jobs; the jobs match all given conditions.

    Attributes:
        limit: The maximum number of jobs.
        id_prefix: The digits with which their ids begin.
        search: A text in their description, in a tag as `name:value`, or at the beginning or the end of their
            id; ASCII letters match in either case.
        cursor: The last job of the previous page.
        oldest_first: Whether the oldest jobs come first instead of the newest.
    """

    limit: int
    project_id: ProjectId | None = None
    statuses: frozenset[JobStatus] = frozenset()
    phases: frozenset[Phase] = frozenset()
    language: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    id_prefix: str | None = None
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: Cursor | None = None
    oldest_first: bool = False


class ProjectOrder(StrEnum):
    """The orders of a list of projects: most recent first, or by name."""

    ACTIVITY = "activity"
    NAME = "name"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class ProjectCursor:
    """The last project of a page: the next page begins after it.

    Attributes:
        value: Its sort value in the list; None if the list is sorted by id.
    """

    value: datetime | str | None
    project_id: ProjectId


def cursor_after(project: Project, order: ProjectOrder) -> ProjectCursor:
    """Return the cursor after a project in a list."""
    if order is ProjectOrder.CREATED:
        return ProjectCursor(None, project.id)
    is_by_name = order is ProjectOrder.NAME
    return ProjectCursor(project.name.value if is_by_name else project.active_at, project.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFilter:
    """Filter of a list of projects that are not deleted.

    Attributes:
        limit: The maximum number of projects.
        search: A text in their name or description; ASCII letters match in either case.
        cursor: The last project of the previous page.
    """

    limit: int
    order: ProjectOrder = ProjectOrder.ACTIVITY
    search: str | None = None
    cursor: ProjectCursor | None = None


@dataclass(frozen=True, slots=True)
class FoundProjects:
    """Projects of a list, in its order.

    Attributes:
        next: Where the next page begins, if there may be one; the page may have fewer projects than the
            limit.
    """

    projects: Sequence[Project]
    next: ProjectCursor | None = None


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """The last entry of a page of the audit log: the next page begins after it."""

    at: datetime
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Filter of audit entries; the entries match all given conditions.

    Attributes:
        limit: The maximum number of entries.
        tenant: None for all tenants, and for unauthenticated callers.
        since: The earliest time, inclusive.
        until: The latest time, exclusive.
        cursor: The last entry of the previous page.
    """

    limit: int
    tenant: TenantName | None = None
    project_id: ProjectId | None = None
    act: str | None = None
    principal: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: AuditCursor | None = None


@dataclass(frozen=True, slots=True)
class FoundEntries:
    """Entries of the audit log, newest first.

    Attributes:
        resume_after: Where the search stopped, if it stopped before finding as many entries as requested.
    """

    entries: Sequence[LedgerEntry]
    resume_after: AuditCursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Filter of a tenant's usage by day and project.

    Attributes:
        limit: The maximum number of rows, one per day and project.
        since: The first day.
        until: The last day.
        cursor: The last day and project of the previous page.
    """

    limit: int
    tenant: TenantName
    since: date
    until: date
    project_id: ProjectId | None = None
    cursor: tuple[date, ProjectId] | None = None


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """A quota that applies now.

    Attributes:
        used: Its usage; None if it limits single requests or is counted elsewhere.
    """

    used: int | None
    allowed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayUsage:
    """The usage of a project on a day in UTC.

    Attributes:
        project: The project's name; None if it is purged.
    """

    day: date
    project_id: ProjectId
    project: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """Jobs of a list, in its order.

    Attributes:
        resume_after: Where the search stopped, if it stopped before finding as many jobs as requested.
    """

    jobs: Sequence[JobView]
    resume_after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things, counted up to a bound.

    Attributes:
        is_exact: Whether the number is exact, not a lower bound.
    """

    number: int
    is_exact: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionView:
    """The policy of a tenant or a project, and the policy in force, with inherited values filled in."""

    own: Retention
    in_force: Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyView:
    """A key as shown, without its text.

    Attributes:
        project: The name of the only project that the key can access.
    """

    key: ApiKey
    status: KeyStatus
    project: ProjectName | None

    @classmethod
    def of(cls, key: ApiKey, project: Project | None, now: datetime) -> Self:
        """Return the view of a key at a time."""
        return cls(key=key, status=key.status(now), project=None if project is None else project.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedKey:
    """A new key with its text, which is shown once."""

    view: KeyView
    text: KeyText


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView:
    """A webhook as shown, without its secret.

    Attributes:
        project: The name of its project; None for all projects of the tenant.
    """

    webhook: Webhook
    project: ProjectName | None

    @classmethod
    def of(cls, webhook: Webhook, project: Project | None) -> Self:
        """Return the view of a webhook."""
        return cls(webhook=webhook, project=None if project is None else project.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedWebhook:
    """A webhook with its new secret, which is shown once."""

    view: WebhookView
    secret: WebhookSecret
