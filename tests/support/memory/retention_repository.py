from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from application.ports.purge_repository import Removed, StoreName
from application.ports.retention_repository import (
    LOG_WALKS,
    DueRows,
    EndedExecution,
    Place,
    Policies,
    RetentionRepository,
    WalkedJobs,
)
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.object_keys import BlobObject, JobObject, is_own_log, owner_of_code
from domain.retention import Retention
from domain.tenant import TenantName
from domain.values import ExecutionId, JobId, ObjectKey, ProjectId
from tests.support.memory.database import Tables
from tests.support.memory.purge_repository import MemoryPurgeRepository


class MemoryRetentionRepository(RetentionRepository):
    """Policies and removals in a transaction's tables."""

    def __init__(self, tables: Tables, purges: MemoryPurgeRepository) -> None:
        self._tables = tables
        self._purges = purges

    def policies(
        self, default: Retention, tenant: TenantName | None = None, project: ProjectId | None = None
    ) -> Policies:
        """Return all policies, or the policies of a tenant and a project."""
        owners = {(tenant, None), (tenant, project)}
        stored = [item for item in self._tables.policies.items() if tenant is None or item[0] in owners]
        return Policies(
            default=default,
            of_tenants={tenant: policy for (tenant, project), policy in stored if project is None},
            of_projects={project: policy for (_tenant, project), policy in stored if project is not None},
        )

    def put(self, tenant: TenantName, project: ProjectId | None, policy: Retention) -> None:
        """Set a policy."""
        self._tables.policies.pop((tenant, project), None)
        if policy.figures():
            self._tables.policies[tenant, project] = policy
        for name in [name for name in self._tables.marks if name.startswith(LOG_WALKS)]:
            del self._tables.marks[name]

    def projects(self, after: ProjectId, limit: int) -> Sequence[tuple[ProjectId, TenantName]]:
        """Return projects by id."""
        found = sorted(project_id for project_id in self._tables.projects if project_id > after)[:limit]
        return [(project_id, self._tables.projects[project_id].tenant) for project_id in found]

    def with_jobs(
        self, projects: Collection[ProjectId], status: JobStatus, before: datetime
    ) -> Sequence[ProjectId]:
        """Return the projects with jobs of a status from before a time."""
        return [project for project in projects if self._old(project, status, before)]

    def walk_jobs(
        self, project: ProjectId, status: JobStatus, before: datetime, after: Place | None, limit: int
    ) -> WalkedJobs:
        """Walk over jobs, oldest first."""
        old = [job for job in self._old(project, status, before) if after is None or _place(job) > after]
        walked = old[:limit]
        due = [job.id for job in walked if _is_due(job, before)]
        return WalkedJobs(due, _place(walked[-1]) if len(walked) == limit else None)

    def remove_jobs(
        self, ids: Sequence[JobId], status: JobStatus, before: datetime, case_limit: int | None = None
    ) -> Removed:
        """Remove jobs that are still due."""
        found = [self._tables.jobs[job_id] for job_id in sorted(ids) if job_id in self._tables.jobs]
        return self._purges.remove_rows(
            [
                job
                for job in found
                if job in self._old(job.project_id, status, before) and _is_due(job, before)
            ],
            case_limit=case_limit,
        )

    def mark(self, name: str) -> datetime | None:
        """Return the position of a walk."""
        return self._tables.marks.setdefault(name, None)

    def set_mark(self, name: str, at: datetime) -> bool:
        """Store the position of a walk."""
        if name not in self._tables.marks:
            return False
        self._tables.marks[name] = at
        return True

    def take_turn(self, name: str, now: datetime, every_s: float) -> bool:
        """Record that a task is done now, unless it was done recently."""
        at, interval = self.mark(name), timedelta(seconds=every_s)
        is_due = at is None or at <= now - interval or at > now + interval
        return is_due and self.set_mark(name, now)

    def ended_executions(self, after: Place | None, before: datetime, limit: int) -> Sequence[EndedExecution]:
        """Return executions in the order of their ends."""
        found = []
        for row in self._tables.executions.values():
            execution = row.execution
            if execution.ended_at is not None and execution.result is not None:
                found.append(
                    EndedExecution(
                        id=execution.id,
                        place=Place(execution.ended_at, execution.id),
                        tenant=row.tenant,
                        project=self._tables.jobs[execution.job_id].project_id,
                        has_log=execution.result.log_key is not None,
                    )
                )
        wanted = [one for one in found if one.place.at < before and (after is None or one.place > after)]
        return sorted(wanted, key=lambda one: one.place)[:limit]

    def remove_logs(self, ids: Sequence[ExecutionId]) -> int:
        """Remove the references to logs from executions."""
        freed = 0
        for execution_id in ids:
            row = self._tables.executions.get(execution_id)
            if row is None or row.execution.result is None or row.execution.result.log_key is None:
                continue
            freed += row.log_bytes
            self._purges.delete_object(StoreName.LOG, row.execution.result.log_key)
            result = replace(row.execution.result, log_key=None)
            execution = replace(row.execution, result=result)
            self._tables.executions[execution_id] = replace(row, execution=execution, log_bytes=0)
        return freed

    def forget_usage(self, tenant: TenantName, before: datetime, limit: int) -> int:
        """Remove the sums of days; all of them at once."""
        del limit
        since = self._tables.usage_since.get(tenant, date.min)
        self._tables.usage_since[tenant] = max(since, before.date())
        rows = [row.row for row in self._tables.audit_ledger if row.row.tenant == tenant.value]
        return len({row.at[:10] for row in rows if since <= row.time.date() < before.date()})

    def unowned(
        self, store: StoreName, keys: Collection[ObjectKey], *, lock: bool = False
    ) -> Sequence[ObjectKey]:
        """Return the keys of objects that nothing refers to."""
        del lock
        return [key for key in keys if self._is_unowned(store, key)]

    def due_rows(
        self, project: ProjectId, status: JobStatus, before: datetime, most: int, sample: int
    ) -> DueRows:
        """Count jobs, and sum up the oldest."""
        old = self._old(project, status, before)
        sampled = old[:sample]
        ids = {job.id for job in sampled}
        rows = [row for row in self._tables.executions.values() if row.execution.job_id in ids]
        results = [row.execution.result for row in rows if row.execution.result is not None]
        return DueRows(
            jobs=min(len(old), most),
            sampled=len(sampled),
            code_bytes=sum(job.spec.code_bytes for job in sampled),
            executions=len(rows),
            logs=sum(result.log_key is not None for result in results),
            log_bytes=sum(row.log_bytes for row in rows),
            tags=sum(len(job.spec.tags) for job in sampled),
        )

    def _old(self, project: ProjectId, status: JobStatus, before: datetime) -> list[Job]:
        found = [job for job in self._tables.jobs.values() if job.project_id == project]
        return sorted((job for job in found if job.status is status and job.created_at < before), key=_place)

    def _is_unowned(self, store: StoreName, key: ObjectKey) -> bool:
        if store is StoreName.LOG:
            results = (row.execution.result for row in self._tables.executions.values())
            return is_own_log(key) and key not in {result.log_key for result in results if result}
        match owner_of_code(key):
            case JobObject(job_id):
                return job_id not in self._tables.jobs
            case BlobObject(tenant, sha256):
                return (tenant, sha256) not in self._tables.blobs
        return False


def _place(job: Job) -> Place:
    return Place(job.created_at, job.id)


def _is_due(job: Job, before: datetime) -> bool:
    return job.status is JobStatus.PENDING or (job.completed_at or job.updated_at) < before
