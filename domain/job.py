"""A job and its commands. Every command returns the changed job and the events."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Self

from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.events import (
    Event,
    JobCancelled,
    JobCompleted,
    JobRetried,
    JobStarted,
    JobSubmitted,
)
from domain.execution import Execution, ExecutionResult
from domain.job_lifecycle import Ignored, JobStatus, Reason, Trigger, check
from domain.project import Project
from domain.submission import JobSpec, TagChange
from domain.tenant import TenantName
from domain.trace_context import TraceContext
from domain.values import BatchId, ExecutionId, JobId, ProjectId

_OUTCOMES = {
    JobStatus.SUCCESS: Trigger.SUCCEED,
    JobStatus.FAILED: Trigger.FAIL,
    JobStatus.TIMEOUT: Trigger.TIME_OUT,
}
# The smallest difference between two stored times.
_LEAST = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Source code under a project, and the progress of its run.

    Its times never decrease, even if the clocks that are passed to the commands disagree.

    Attributes:
        current_execution_id: The fence: every write about the running job must name it.
        batch_id: The batch that it was submitted in, if any.
    """

    id: JobId
    tenant: TenantName
    project_id: ProjectId
    spec: JobSpec
    status: JobStatus
    created_at: datetime
    updated_at: datetime
    reason: Reason | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    current_execution_id: ExecutionId | None = None
    batch_id: BatchId | None = None

    @classmethod
    def submit(
        cls, job_id: JobId, project: Project, spec: JobSpec, now: datetime, batch_id: BatchId | None = None
    ) -> tuple[Self, tuple[Event, ...]]:
        """Create a job whose code is stored.

        Raises:
            ProjectTransitionRefused: The project takes no new work.
        """
        project.ensure_takes_work()
        job = cls(
            id=job_id,
            tenant=project.tenant,
            project_id=project.id,
            spec=spec,
            status=JobStatus.PENDING,
            created_at=now,
            updated_at=now,
            batch_id=batch_id,
        )
        return job, (
            JobSubmitted(job_id=job_id, project_id=project.id, occurred_at=now, language=spec.language.name),
        )

    def start(
        self,
        execution_id: ExecutionId,
        stdin: str | None,
        now: datetime,
        request_id: str | None = None,
        trace: TraceContext | None = None,
    ) -> tuple[Self, Execution, tuple[Event, ...]]:
        """Request the execution of the job.

        Raises:
            JobTransitionRefused: It is already running or has ended.
            InvalidValue: Input is given, but each case of the job has its own.
        """
        check(self.status, Trigger.EXECUTE)
        if stdin and self.spec.cases is not None:
            raise InvalidValue("stdin", text("problems.of_each_case"))
        now = self._not_before(now)
        job = replace(
            self,
            status=JobStatus.RUNNING,
            started_at=now,
            updated_at=now,
            current_execution_id=execution_id,
        )
        execution = Execution(
            id=execution_id,
            job_id=self.id,
            number=1,
            priority=self.spec.priority,
            stdin=stdin,
            requested_at=now,
            request_id=request_id,
            trace=trace,
        )
        return (
            job,
            execution,
            (JobStarted(job_id=self.id, execution_id=execution_id, occurred_at=now),),
        )

    def retry(
        self, lost: Execution, execution_id: ExecutionId, now: datetime
    ) -> tuple[Self, Execution | None, tuple[Event, ...]]:
        """Replace an execution that was lost; ignore one that is not current.

        Raises:
            JobTransitionRefused: The job never ran.
        """
        return self._replace_execution(lost, execution_id, lost.number + 1, now)

    def retry_later(
        self, failed: Execution, execution_id: ExecutionId, now: datetime, delay_s: float
    ) -> tuple[Self, Execution | None, tuple[Event, ...]]:
        """Replace an execution that failed by a delayed one; ignore one that is not current.

        Raises:
            JobTransitionRefused: The job never ran.
        """
        return self._replace_execution(failed, execution_id, failed.number + 1, now, delay_s)

    def requeue(
        self, stopped: Execution, execution_id: ExecutionId, now: datetime
    ) -> tuple[Self, Execution | None, tuple[Event, ...]]:
        """Replace an execution that its worker stopped on shutdown, without counting an attempt.

        Raises:
            JobTransitionRefused: The job never ran.
        """
        return self._replace_execution(stopped, execution_id, stopped.number, now)

    def complete(
        self, execution_id: ExecutionId, result: ExecutionResult, now: datetime
    ) -> tuple[Self, tuple[Event, ...]]:
        """End the job with a result; a late, duplicate or unrelated result changes nothing.

        The result of a cancelled execution also changes nothing, because the cancellation has already ended
        the job.

        Raises:
            JobTransitionRefused: The job never ran.
        """
        trigger = _OUTCOMES.get(result.status)
        if trigger is None or self._is_late(execution_id, trigger):
            return self, ()
        now = self._not_before(now)
        job = replace(self, status=result.status, reason=result.reason, completed_at=now, updated_at=now)
        return job, (
            JobCompleted(
                job_id=self.id,
                execution_id=execution_id,
                status=result.status,
                reason=result.reason,
                occurred_at=now,
                language=self.spec.language.name,
                run_ms=None if result.resource is None else result.resource.execution_time_ms,
                batch_id=self.batch_id,
            ),
        )

    def cancel(self, now: datetime) -> tuple[Self, tuple[Event, ...]]:
        """End the job at its owner's request.

        Raises:
            JobTransitionRefused: It has already ended.
        """
        check(self.status, Trigger.CANCEL)
        now = self._not_before(now)
        job = replace(
            self,
            status=JobStatus.CANCELLED,
            reason=Reason.CANCELLED,
            completed_at=now,
            updated_at=now,
        )
        return job, (
            JobCancelled(
                job_id=self.id,
                execution_id=self.current_execution_id,
                occurred_at=now,
                language=self.spec.language.name,
                batch_id=self.batch_id,
            ),
        )

    def tag(self, change: TagChange, now: datetime) -> Self:
        """Change the tags, in any status; return the same job if they stay equal."""
        tags = change.apply(self.spec.tags)
        if tags == self.spec.tags:
            return self
        # Always later than before; otherwise a concurrent change of the same version would not be detected.
        now = max(now, self.updated_at + _LEAST)
        return replace(self, spec=replace(self.spec, tags=tags), updated_at=now)

    def _replace_execution(
        self, lost: Execution, execution_id: ExecutionId, number: int, now: datetime, delay_s: float = 0.0
    ) -> tuple[Self, Execution | None, tuple[Event, ...]]:
        if self._is_late(lost.id, Trigger.RETRY):
            return self, None, ()
        # Always later than the request that it replaces, because executions are ordered by these times.
        now = max(self._not_before(now), lost.requested_at + _LEAST)
        execution = Execution(
            id=execution_id,
            job_id=self.id,
            number=number,
            priority=lost.priority,
            stdin=lost.stdin,
            requested_at=now,
            request_id=lost.request_id,
            trace=lost.trace,
        )
        return (
            replace(self, updated_at=now, current_execution_id=execution_id),
            execution,
            (
                JobRetried(
                    job_id=self.id,
                    lost_execution_id=lost.id,
                    execution_id=execution_id,
                    occurred_at=now,
                    delay_s=delay_s,
                ),
            ),
        )

    def _not_before(self, now: datetime) -> datetime:
        """Return the time of a change, which is never before the last one, because hosts' clocks differ."""
        return max(now, self.updated_at)

    def _is_late(self, execution_id: ExecutionId, trigger: Trigger) -> bool:
        return isinstance(check(self.status, trigger), Ignored) or execution_id != self.current_execution_id
