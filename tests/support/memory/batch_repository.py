from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from application.lists import Cursor
from application.ports.batch_repository import BatchRepository
from domain.batch import Batch
from domain.caller import Caller
from domain.execution_lifecycle import LEASED
from domain.job_lifecycle import JobStatus, Phase, phase_of
from domain.project import ProjectStatus
from domain.values import BatchId, JobId
from tests.support.memory.database import Tables


class MemoryBatchRepository(BatchRepository):
    """The batches in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, batch: Batch) -> None:
        """Store a new batch. A batch that is already stored is unchanged."""
        self._tables.batches.setdefault(batch.id, batch)

    def get(self, caller: Caller, batch_id: BatchId) -> Batch | None:
        """Return a batch, or None if the caller reaches none with that id."""
        batch = self._tables.batches.get(batch_id)
        return batch if batch is not None and _is_reached(caller, batch) else None

    def get_of_any_tenant(self, batch_id: BatchId) -> Batch | None:
        """Return a batch, or None if there is none with that id."""
        return self._tables.batches.get(batch_id)

    def page(self, caller: Caller, limit: int, cursor: Cursor | None) -> Sequence[Batch]:
        """Return the batches that the caller reaches, newest first."""
        reached = [batch for batch in self._tables.batches.values() if _is_reached(caller, batch)]
        reached.sort(key=lambda batch: (batch.created_at, batch.id), reverse=True)
        after = None if cursor is None else (cursor.at, cursor.id)
        return [batch for batch in reached if after is None or (batch.created_at, batch.id) < after][:limit]

    def jobs(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobId, JobStatus]]:
        """Return the jobs of some batches, in the order of their ids."""
        found: dict[BatchId, dict[JobId, JobStatus]] = {}
        for job in sorted(self._tables.jobs.values(), key=lambda job: job.id):
            is_purged = self._tables.projects[job.project_id].status is ProjectStatus.PURGED
            if job.batch_id is not None and job.batch_id in batch_ids and not is_purged:
                found.setdefault(job.batch_id, {})[job.id] = job.status
        return found

    def counts(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[JobStatus, int]]:
        """Return the number of jobs of some batches, by status."""
        return {batch_id: Counter(jobs.values()) for batch_id, jobs in self.jobs(batch_ids).items()}

    def begun(self, batch_ids: Collection[BatchId]) -> Mapping[BatchId, Mapping[Phase, int]]:
        """Return the number of jobs of some batches that are being built or run now, by phase."""
        found: dict[BatchId, Counter[Phase]] = {}
        for batch_id, jobs in self.jobs(batch_ids).items():
            for job in (self._tables.jobs[job_id] for job_id in jobs):
                row = job.current_execution_id and self._tables.executions[job.current_execution_id]
                if not row or row.execution.state not in LEASED:
                    continue
                phase = phase_of(job.status, row.execution.building_at, row.execution.started_at)
                if phase in {Phase.BUILDING, Phase.RUNNING}:
                    found.setdefault(batch_id, Counter())[phase] += 1
        return found

    def mark_cancelled(self, batch_id: BatchId, now: datetime) -> None:
        """Record that the cancellation of a batch was requested."""
        batch = self._tables.batches[batch_id]
        self._tables.batches[batch_id] = replace(batch, cancelled_at=batch.cancelled_at or now)

    def unfinished(self, batch_id: BatchId, limit: int) -> Sequence[JobId]:
        """Return jobs of a batch that have not ended."""
        jobs = self._tables.jobs.values()
        return [job.id for job in jobs if job.batch_id == batch_id and not job.status.is_terminal][:limit]

    def complete(self, batch_id: BatchId, now: datetime) -> bool:
        """Record that all jobs of a batch have ended, if they have and this is not recorded yet."""
        batch = self._tables.batches.get(batch_id)
        if batch is None or batch.completed_at is not None or self.unfinished(batch_id, 1):
            return False
        self._tables.batches[batch_id] = replace(batch, completed_at=now)
        return True

    def overdue(self, limit: int) -> Sequence[BatchId]:
        """Return batches that can be completed."""
        open_ones = [batch.id for batch in self._tables.batches.values() if batch.completed_at is None]
        return [batch_id for batch_id in open_ones if not self.unfinished(batch_id, 1)][:limit]

    def being_cancelled(self, limit: int) -> Sequence[Batch]:
        """Return batches whose cancellation was requested and that are not completed."""
        return [
            batch
            for batch in self._tables.batches.values()
            if batch.cancelled_at is not None and batch.completed_at is None
        ][:limit]


def _is_reached(caller: Caller, batch: Batch) -> bool:
    is_in_reach = caller.project is None or caller.project == batch.project_id
    return batch.tenant == caller.tenant.name and is_in_reach
