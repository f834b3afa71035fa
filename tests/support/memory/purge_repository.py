from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from application.errors import ConcurrencyConflict
from application.ports.purge_repository import (
    PendingDeletion,
    Purge,
    PurgeRepository,
    Removed,
    StoreName,
    UnusedBlobs,
)
from domain.blob import blob_key
from domain.job import Job
from domain.job_lifecycle import JobStatus
from domain.tenant import TenantName
from domain.values import JobId, ObjectKey
from tests.support.memory.blob_repository import MemoryBlobRepository
from tests.support.memory.database import StoredDeletion, StoredPurge, Tables, is_older


class MemoryPurgeRepository(PurgeRepository):
    """Purges and pending deletions in a transaction's tables."""

    def __init__(self, tables: Tables, now: Callable[[], datetime]) -> None:
        self._tables = tables
        self._now = now
        self._blobs = MemoryBlobRepository(tables, now)

    def add(self, purge: Purge) -> None:
        """Store a purge of a project or a tenant."""
        self._tables.purges.setdefault(purge.id, StoredPurge(purge=purge))

    def take(self, worker: str, idle_s: float) -> Purge | None:
        """Take the oldest purge that still has jobs, for this worker only."""
        now = self._now()
        for stored in sorted(self._tables.purges.values(), key=lambda stored: stored.purge.requested_at):
            is_free = stored.taken_by == worker or _is_idle(stored.taken_at, idle_s, now)
            if is_free and not stored.is_emptied:
                self._tables.purges[stored.purge.id] = replace(stored, taken_at=now, taken_by=worker)
                return stored.purge
        return None

    def running_jobs(self, purge: Purge, limit: int) -> Sequence[JobId]:
        """Return the RUNNING jobs of a purge."""
        return [job.id for job in self._jobs(purge) if job.status is JobStatus.RUNNING][:limit]

    def remove_jobs(self, purge: Purge, limit: int, case_limit: int | None = None) -> Removed:
        """Remove the next jobs of a purge that are not RUNNING."""
        found = [job for job in self._jobs(purge) if job.status is not JobStatus.RUNNING][:limit]
        removed = self.remove_rows(found, purge.id, case_limit)
        stored = self._tables.purges[purge.id]
        self._tables.purges[purge.id] = replace(
            stored,
            purge=replace(
                stored.purge,
                removed_jobs=stored.purge.removed_jobs + len(removed.jobs),
                freed_bytes=stored.purge.freed_bytes + removed.freed_bytes,
            ),
            is_emptied=len(found) < limit and not self._jobs(purge),
            taken_at=self._now(),
        )
        return removed

    def remove_job(self, job: Job) -> Removed:
        """Remove a job that has ended."""
        return self.remove_rows([job], None)

    def finish_next(self, requested_before: datetime) -> Purge | None:
        """Remove a purge that has nothing left to do, with its projects."""
        for stored in list(self._tables.purges.values()):
            purge = stored.purge
            has_objects = any(one.purge_id == purge.id for one in self._tables.deletions.values())
            is_early = purge.project_id is None and purge.requested_at >= requested_before
            if not stored.is_emptied or has_objects or is_early:
                continue
            if self._jobs(purge):
                self._tables.purges[purge.id] = replace(stored, is_emptied=False, taken_at=None)
                continue
            if purge.project_id is None and self._remove_blobs(stored):
                continue
            for project in list(self._tables.projects.values()):
                if project.tenant == purge.tenant and purge.project_id in {None, project.id}:
                    del self._tables.projects[project.id]
            if purge.project_id is None:
                self._remove_rest(purge.tenant)
            self._remove_webhooks(purge)
            self._remove_case_sets(purge)
            self._remove_policies(purge)
            del self._tables.purges[purge.id]
            return purge
        return None

    def _remove_blobs(self, stored: StoredPurge) -> bool:
        purge = stored.purge
        found = [digest for tenant, digest in self._tables.blobs if tenant == purge.tenant]
        if not found:
            return False
        freed = purge.freed_bytes + self._drop_blobs(purge.tenant, found, purge.id)
        self._tables.purges[purge.id] = replace(stored, purge=replace(purge, freed_bytes=freed))
        return True

    def _drop_blobs(self, tenant: TenantName, digests: Iterable[str], purge_id: UUID | None) -> int:
        freed = 0
        for digest in digests:
            blob = self._tables.blobs.pop((tenant, digest))
            freed += blob.size if blob.is_stored else 0
            self._add_deletions([(StoreName.CODE, blob_key(tenant, digest))], purge_id)
        return freed

    def remove_unused_blobs(self, idle_s: float, limit: int) -> UnusedBlobs:
        """Remove blobs that have been unreferenced for at least this long."""
        due = [
            key
            for key, blob in self._tables.blobs.items()
            if blob.idle_since is not None and is_older(blob.idle_since, idle_s, self._now())
        ][:limit]
        used = {(tenant, digest) for tenant, digest, _owner in self._tables.blob_references}
        freed: dict[TenantName, int] = {}
        for tenant, digest in due:
            if (tenant, digest) in used:
                blob = self._tables.blobs[tenant, digest]
                self._tables.blobs[tenant, digest] = replace(blob, idle_since=None)
            else:
                freed[tenant] = freed.get(tenant, 0) + self._drop_blobs(tenant, [digest], None)
        return UnusedBlobs(is_all=len(due) < limit, freed_bytes=freed)

    def _remove_rest(self, tenant: TenantName) -> None:
        tables = self._tables
        for key in [key for key in tables.keys.values() if key.tenant == tenant]:
            del tables.keys[key.id]
        for session in [session for session in tables.sessions.values() if session.home == tenant]:
            del tables.sessions[session.id]
        for record in [record for record in tables.idempotency_keys if record[0] == tenant]:
            del tables.idempotency_keys[record]

    def _remove_webhooks(self, purge: Purge) -> None:
        tables = self._tables
        for webhook in list(tables.webhooks.values()):
            if webhook.tenant == purge.tenant and purge.project_id in {None, webhook.project}:
                del tables.webhooks[webhook.id]
        for delivery in [stored.delivery for stored in tables.deliveries.values()]:
            if delivery.tenant == purge.tenant and purge.project_id in {None, delivery.project}:
                del tables.deliveries[delivery.id]

    def _remove_case_sets(self, purge: Purge) -> None:
        tables = self._tables
        for key, version in list(tables.case_set_versions.items()):
            if version.tenant == purge.tenant and purge.project_id in {None, version.project_id}:
                del tables.case_set_versions[key]
                self._blobs.release([version.id])

    def _remove_policies(self, purge: Purge) -> None:
        for tenant, project in list(self._tables.policies):
            if tenant == purge.tenant and purge.project_id in {None, project}:
                del self._tables.policies[tenant, project]

    def has_work(self) -> bool:
        """Return whether there is a purge, or an object to delete."""
        return bool(self._tables.purges or self._tables.deletions)

    def take_deletions(self, idle_s: float, limit: int) -> Sequence[PendingDeletion]:
        """Take the oldest deletions that no process took recently."""
        now = self._now()
        named = {
            row.execution.result.log_key for row in self._tables.executions.values() if row.execution.result
        }
        found: list[PendingDeletion] = []
        for digest, stored in list(self._tables.deletions.items()):
            if _is_idle(stored.taken_at, idle_s, now) and len(found) < limit:
                self._tables.deletions[digest] = replace(stored, taken_at=now)
                deletion = stored.deletion
                is_shared = deletion.store is StoreName.LOG and deletion.key in named
                found.append(replace(deletion, is_shared=is_shared))
        return found

    def forget_deletions(self, digests: Collection[str]) -> None:
        """Remove the records of deleted objects."""
        for digest in digests:
            self._tables.deletions.pop(digest, None)

    def delete_object(self, store: StoreName, key: ObjectKey) -> None:
        """Record the key of an object to delete that belongs to no job."""
        self._add_deletions([(store, key)], None)

    def _jobs(self, purge: Purge) -> Sequence[Job]:
        return [
            job
            for job in self._tables.jobs.values()
            if job.tenant == purge.tenant and purge.project_id in {None, job.project_id}
        ]

    def _remove_cases(self, job_ids: Collection[JobId]) -> None:
        tables = self._tables
        for job_id in job_ids:
            tables.case_runs.pop(job_id, None)
        for build in [build for build in tables.job_builds if build[0] in job_ids]:
            del tables.job_builds[build]
        for key in [key for key in tables.case_results if key[0] in job_ids]:
            del tables.case_results[key]
        for row in [row for row in tables.case_ranges.values() if row.range.job_id in job_ids]:
            del tables.case_ranges[row.range.id]

    def _remove_first_cases(self, ids: Collection[JobId], limit: int) -> int:
        """Count the jobs' case results, up to a limit; if the limit is reached, remove that many."""
        results = self._tables.case_results
        found = sorted(key for key in results if key[0] in ids)[:limit]
        if len(found) == limit:
            for key in found:
                del results[key]
        return len(found)

    def remove_rows(
        self, jobs: Sequence[Job], purge_id: UUID | None = None, case_limit: int | None = None
    ) -> Removed:
        """Remove jobs and record their objects, or remove only their case results if there are too many."""
        ids = {job.id for job in jobs}
        if not ids <= self._tables.jobs.keys():
            raise ConcurrencyConflict("a job was removed by another transaction")
        cases = 0 if case_limit is None else self._remove_first_cases(ids, case_limit)
        if cases == case_limit:
            return Removed([], [], 0, cases)
        rows = [row for row in self._tables.executions.values() if row.execution.job_id in ids]
        executions = [row.execution for row in rows]
        logs = [execution.result.log_key for execution in executions if execution.result is not None]
        for job_id in ids:
            del self._tables.jobs[job_id]
        self._blobs.release({*ids, *(execution.id for execution in executions)})
        for delivery in [stored.delivery for stored in self._tables.deliveries.values()]:
            if delivery.subject in ids:
                del self._tables.deliveries[delivery.id]
        made = {str(job_id) for job_id in ids}
        left = {job.batch_id for job in self._tables.jobs.values()}
        for batch_id in {job.batch_id for job in jobs if job.batch_id is not None} - left:
            del self._tables.batches[batch_id]
        for key, record in self._tables.idempotency_keys.items():
            if record.made in made:
                self._tables.idempotency_keys[key] = replace(record, answer=None)
        for execution in executions:
            del self._tables.executions[execution.id]
        self._remove_cases(ids)
        others = {job.spec.code_key for job in self._tables.jobs.values()}
        objects = [(StoreName.LOG, key) for key in logs if key is not None]
        objects += [(StoreName.CODE, job.spec.code_key) for job in jobs if job.spec.code_key not in others]
        self._add_deletions(objects, purge_id)
        log_bytes = sum(row.log_bytes for row in rows)
        freed_bytes = log_bytes + sum(job.spec.code_bytes for job in jobs)
        return Removed(
            [job.id for job in jobs], [execution.id for execution in executions], freed_bytes, cases
        )

    def _add_deletions(self, objects: Iterable[tuple[StoreName, ObjectKey]], purge_id: UUID | None) -> None:
        for store, key in objects:
            digest = f"{store}:{key}"
            deletion = PendingDeletion(digest, store, key)
            self._tables.deletions.setdefault(digest, StoredDeletion(deletion=deletion, purge_id=purge_id))


def _is_idle(taken_at: datetime | None, idle_s: float, now: datetime) -> bool:
    return taken_at is None or is_older(taken_at, idle_s, now)
