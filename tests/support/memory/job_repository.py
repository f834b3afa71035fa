from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from application.errors import ConcurrencyConflict
from application.ports.job_repository import JobRepository
from domain.caller import Caller
from domain.job import Job
from domain.job_lifecycle import JobStatus, Reason
from domain.project import Project
from domain.values import ExecutionId, JobId
from tests.support.memory.database import Tables, is_reached


class MemoryJobRepository(JobRepository):
    """The jobs in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, job: Job) -> None:
        """Store a new job. A job that is already stored is unchanged."""
        if job.project_id not in self._tables.projects:
            raise LookupError(f"job {job.id} belongs to no project")
        self._tables.jobs.setdefault(job.id, job)

    def add_all(self, jobs: Sequence[Job]) -> None:
        """Store new jobs."""
        for job in jobs:
            self.add(job)

    def reruns(self, job_id: JobId, limit: int) -> Sequence[JobId]:
        """Return the reruns of a job, latest first."""
        found = (job.id for job in self._tables.jobs.values() if job.spec.rerun_of == job_id)
        return sorted(found, reverse=True)[:limit]

    def get_of_any_tenant(self, job_id: JobId) -> Job | None:
        """Return a job, or None if there is none with that id."""
        return self._tables.jobs.get(job_id)

    def get_all_of_any_tenant(self, job_ids: Collection[JobId]) -> Mapping[JobId, Job]:
        """Return existing jobs by their ids."""
        return {job_id: self._tables.jobs[job_id] for job_id in job_ids if job_id in self._tables.jobs}

    def get_with_project(self, caller: Caller, job_id: JobId) -> tuple[Job, Project] | None:
        """Return a job and its project, or None if the caller reaches none with that id."""
        job = self._tables.jobs.get(job_id)
        if job is None or not is_reached(self._tables, caller, job):
            return None
        return job, self._tables.projects[job.project_id]

    def fail(self, job_id: JobId, execution_id: ExecutionId, reason: Reason, now: datetime) -> bool:
        """End a job as FAILED; return whether this was its running execution."""
        stored = self._tables.jobs.get(job_id)
        if stored is None or _fence(stored) != (JobStatus.RUNNING, execution_id):
            return False
        ended = replace(stored, status=JobStatus.FAILED, reason=reason, completed_at=now, updated_at=now)
        self._tables.jobs[job_id] = ended
        return True

    def replace_tags(self, before: Job, after: Job) -> None:
        """Store a job's new tags, if the job is unchanged since it was read."""
        stored = self._tables.jobs.get(before.id)
        if stored is None or stored.updated_at != before.updated_at:
            raise ConcurrencyConflict(f"job {before.id} was changed in the meantime")
        self._tables.jobs[before.id] = after

    def replace(self, before: Job, after: Job) -> None:
        """Store a job's changes, if its status and its current execution are unchanged."""
        stored = self._tables.jobs.get(before.id)
        if stored is None or _fence(stored) != _fence(before):
            raise ConcurrencyConflict(f"job {before.id} was changed in the meantime")
        self._tables.jobs[before.id] = after


def _fence(job: Job) -> object:
    return job.status, job.current_execution_id
