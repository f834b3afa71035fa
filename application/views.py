"""Views of jobs, batches, keys and webhooks for callers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Self

from domain.api_key import ApiKey, KeyStatus, KeyText
from domain.audit import Usage
from domain.batch import Batch
from domain.cases import CaseResult
from domain.execution import Execution
from domain.job import Job
from domain.job_lifecycle import JobStatus, Phase, Reason, State, phase_of
from domain.project import Project
from domain.retention import Retention
from domain.tenant import TenantName
from domain.values import JobId, ObjectKey, ProjectId, ProjectName
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
