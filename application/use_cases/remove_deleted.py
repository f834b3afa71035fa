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

# A purge or an object that its process has not come back to for so long is another's to take.
_IDLE_S = 15.0
# An object may be stored anew once another process has deleted it: a process that was held up for so long
# deletes none.
_LATE_S = _IDLE_S / 2
# How long after its deletion a tenant's last upload may come: callers are authenticated from memory.
_SETTLED = timedelta(seconds=60)
# An object store takes some ten milliseconds to delete one.
_DELETED_AT_ONCE = 8


class RemoveDeleted:
    """Removes all that purged projects and deleted tenants have, and the objects of removed jobs.

    * The rows of a batch of jobs go in one transaction, which notes the keys of their objects; then the
      objects are deleted, and after them the notes. A process that is killed leaves nothing undone: another
      goes on where it was.
    * One process at a time works on a purge; an object that two delete is no error.
    * Of jobs with many cases, results go before, in transactions of their own.
    * Running jobs are cancelled first: those of a deleted tenant, and one that was started while its project
      was purged.
    * An object store that is out of reach delays its objects, and no rows.
    * An object that an execution of another job names stays.
    * A purge has ended when neither a job nor an object is left, a tenant's after a minute at the earliest.
      Its project goes with it, or the tenant's projects, keys and sessions. The audit log has an entry of
      that, with which the stored bytes are the tenant's again.

    Args:
        batch: How many jobs, or objects, are removed in one transaction at most.
        max_batches: How many batches of jobs are removed in one round.
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
        max_batches: int = 50,
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
        self._max_batches = max_batches

    def __call__(self) -> int:
        """Remove the next jobs and all objects that are due; return how many jobs.

        Raises:
            DependencyUnavailable: The database or an object store is out of reach; the rest stays noted.
        """
        if not self._unit_of_work.read(lambda transaction: transaction.purges.has_work()):
            return 0
        self._pace.begin()
        removed = 0
        for _ in range(self._max_batches):
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
                logger.warning("%s; it ends when its lease does", error)
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
        """Delete an object, unless it is so late that another process may be deleting it, and may be done."""
        if self._clock.monotonic() >= late:
            return False
        if deletion.is_shared:
            logger.warning("%s object '%s' stays: another job names it", deletion.store, deletion.key)
        else:
            self._stores[deletion.store].delete(deletion.key)
            self._measurements.count(PURGED_OBJECTS, deletion.store)
        return True

    def _forget(self, digests: Collection[str]) -> None:
        self._unit_of_work.run(lambda transaction: transaction.purges.forget_deletions(digests))


def _entry(entry_id: AuditEntryId, now: datetime, purge: Purge) -> AuditEntry:
    """Return the record of the end of a purge."""
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
