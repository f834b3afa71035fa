"""Command: remove purged projects, deleted tenants, and the objects of removed jobs."""

import logging
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from itertools import compress

from application.errors import CorruptRow
from application.metrics import PURGE_DURATION, PURGED_BYTES, PURGED_OBJECTS, PURGED_ROWS
from application.outbox_writer import OutboxWriter
from application.pace import SOON, Pace, Progress
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.measurements import Measurements
from application.ports.object_store import ObjectStore
from application.ports.output_feed import OutputFeed
from application.ports.purge_repository import CASES_OF_A_JOB, PendingDeletion, Purge, Removed, StoreName
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.use_cases.cancel_job import cancel
from domain.audit import SERVICE, Act, AuditEntry, AuditEntryId, Usage
from domain.values import JobId

logger = logging.getLogger("service_server.purges")

# After this long without progress on a purge or an object, another process may take it over.
_IDLE_S = 15.0
# An object may be stored again once another process has deleted it, so a process that was delayed for this
# long deletes nothing.
_LATE_S = _IDLE_S / 2
# How long after its deletion a tenant may still upload, because callers are authenticated from a cache.
_SETTLED = timedelta(seconds=60)
# An object store takes some ten milliseconds per deletion, so that several run at once.
_DELETED_AT_ONCE = 8
# How many batches of jobs are removed in one round.
_MAX_BATCHES = 50


class RemoveDeleted:
    """Removes the data of purged projects and deleted tenants, and the objects of removed jobs.

    * The rows of a batch of jobs are removed in one transaction, which records the keys of their objects;
      then the objects are deleted, and after them the records. If a process is killed, another continues
      where it stopped.
    * One process at a time works on a purge. It is harmless if two processes delete the same object.
    * If a job has many cases, their results are removed first, in separate transactions.
    * Running jobs are cancelled first: those of a deleted tenant, and a job started while its project was
      purged.
    * If an object store is unavailable, its objects are deleted later; rows are not delayed.
    * An object that an execution of another job names is kept.
    * A purge ends when no job and no object is left; a tenant's purge lasts a minute at least. Its project is
      removed with it, or the tenant's projects, keys and sessions. An audit entry records the end and credits
      the stored bytes to the tenant.

    Args:
        batch: The maximum number of jobs, or objects, removed in one transaction.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        stores: Mapping[StoreName, ObjectStore],
        output_feed: OutputFeed,
        outbox_writer: OutboxWriter,
        clock: Clock,
        ids: IdGenerator,
        worker: str,
        measurements: Measurements,
        batch: int = 100,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._stores = stores
        self._output_feed = output_feed
        self._outbox_writer = outbox_writer
        self._clock = clock
        self._ids = ids
        self._worker = worker
        self._batch = batch
        self._measurements = measurements
        self._pace = Pace(
            clock, share=SOON, largest=batch, observe=partial(measurements.observe, PURGE_DURATION)
        )

    def __call__(self) -> int:
        """Remove the next jobs and all objects that are due; return how many jobs were removed.

        Raises:
            DependencyUnavailable: The database or an object store is unavailable; the rest is removed later.
        """
        if not self._unit_of_work.read(lambda transaction: transaction.purges.has_work()):
            return 0
        self._pace.begin()
        removed = 0
        for _ in range(_MAX_BATCHES):
            purge = self._unit_of_work.run(lambda transaction: transaction.purges.take(self._worker, _IDLE_S))
            if purge is None:
                break
            removed += self._remove_jobs(purge)
        self._delete_objects()
        while (finished := self._finish_next()) is not None:
            logger.info("purged %s: %d jobs and all their objects", finished, finished.removed_jobs)
        return removed

    def _finish_next(self) -> Purge | None:
        entry_id, now = AuditEntryId(self._ids.new()), self._clock.now()

        def work(transaction: Transaction) -> Purge | None:
            purge = transaction.purges.finish_next(now - _SETTLED)
            if purge is not None:
                transaction.audit.add(_entry(entry_id, now, purge))
            return purge

        return self._unit_of_work.run(work)

    def _remove_jobs(self, purge: Purge) -> int:
        self._cancel_running(purge)
        return self._pace.step("jobs", lambda size: self._remove_batch(purge, size))

    def _remove_batch(self, purge: Purge, size: int) -> int | Progress:
        def work(transaction: Transaction) -> Removed:
            return transaction.purges.remove_jobs(purge, size, size * CASES_OF_A_JOB)

        removed = self._unit_of_work.run(self._pace.timed(work))
        self._measurements.count(PURGED_ROWS, "jobs", by=len(removed.jobs))
        self._measurements.count(PURGED_ROWS, "executions", by=len(removed.executions))
        self._measurements.count(PURGED_ROWS, "cases", by=removed.cases)
        self._measurements.count(PURGED_BYTES, by=removed.freed_bytes)
        for execution_id in removed.executions:
            self._output_feed.close(execution_id)
        if removed.jobs:
            logger.info("purged %d jobs of %s", len(removed.jobs), purge)
        return Progress(0, is_full=True) if removed.is_slice else len(removed.jobs)

    def _cancel_running(self, purge: Purge) -> None:
        running = self._unit_of_work.read(
            lambda transaction: transaction.purges.running_jobs(purge, self._batch)
        )
        for job_id in running:
            self._cancel(job_id)

    def _cancel(self, job_id: JobId) -> None:
        now = self._clock.now()

        def work(transaction: Transaction) -> None:
            try:
                job = transaction.jobs.get_of_any_tenant(job_id)
            except CorruptRow as error:
                logger.warning("%s; it ends when its lease expires", error)
                return
            if job is not None and not job.status.is_terminal:
                cancel(transaction, self._outbox_writer, job, now)

        self._unit_of_work.run(work)

    def _delete_objects(self) -> None:
        """Delete objects until none is due."""
        deleted = 0
        with ThreadPoolExecutor(_DELETED_AT_ONCE, thread_name_prefix="delete-object") as threads:
            while done := self._delete_batch(threads):
                deleted += done
        if deleted:
            logger.info("deleted %d objects of removed jobs", deleted)

    def _delete_batch(self, threads: ThreadPoolExecutor) -> int:
        late = self._clock.monotonic() + _LATE_S
        due = self._unit_of_work.run(
            lambda transaction: transaction.purges.take_deletions(_IDLE_S, self._batch)
        )
        done = list(compress(due, threads.map(partial(self._delete, late), due)))
        self._forget([deletion.digest for deletion in done])
        return len(done)

    def _delete(self, late: float, deletion: PendingDeletion) -> bool:
        """Delete an object, unless it is so late that another process may already be deleting it."""
        if self._clock.monotonic() >= late:
            return False
        if deletion.is_shared:
            logger.warning(
                "%s object '%s' was not deleted: another job uses it", deletion.store, deletion.key
            )
        else:
            self._stores[deletion.store].delete(deletion.key)
            self._measurements.count(PURGED_OBJECTS, deletion.store)
        return True

    def _forget(self, digests: Collection[str]) -> None:
        self._unit_of_work.run(lambda transaction: transaction.purges.forget_deletions(digests))


def _entry(entry_id: AuditEntryId, now: datetime, purge: Purge) -> AuditEntry:
    """Return the audit entry for the end of a purge."""
    is_of_tenant = purge.project_id is None
    return AuditEntry(
        id=entry_id,
        at=now,
        tenant=purge.tenant,
        principal=SERVICE,
        act=Act.TENANT_DELETE if is_of_tenant else Act.PROJECT_PURGE,
        subject=purge.tenant.value if is_of_tenant else purge.project,
        project=purge.project_id,
        usage=Usage(stored_bytes=-purge.freed_bytes),
    )
