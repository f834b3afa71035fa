"""Command: cancel a batch."""

import logging

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import CorruptRow
from application.idempotent_requests import batch_again
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.queries.batch_reader import BatchReader, read_batch
from application.use_cases.cancel_job import cancel
from application.use_cases.wake_workers import WakeWorkers
from application.views import BatchView
from domain.audit import Act
from domain.batch import Batch
from domain.caller import Caller
from domain.values import BatchId

logger = logging.getLogger("service_server.jobs")

_CANCELLED_AT_ONCE = 50


class CancelBatch:
    """Cancels the jobs of a batch that have not ended.

    * The cancellation is recorded first; then the jobs are cancelled, a few per transaction. If the process
      is killed, `CompleteBatches` continues.
    * Each job is cancelled by the rules of `CancelJob`. A job that ends in the meantime keeps its outcome.
    * A batch that has ended is not changed.
    """

    def __init__(
        self,
        caller_unit_of_work: CallerUnitOfWork,
        unit_of_work: UnitOfWork,
        batch_reader: BatchReader,
        outbox_writer: OutboxWriter,
        wake_workers: WakeWorkers,
        clock: Clock,
    ) -> None:
        self._caller_unit_of_work = caller_unit_of_work
        self._unit_of_work = unit_of_work
        self._batch_reader = batch_reader
        self._outbox_writer = outbox_writer
        self._wake_workers = wake_workers
        self._clock = clock

    def __call__(self, caller: Caller, batch_id: BatchId) -> BatchView:
        """Cancel the batch.

        Raises:
            NotFound: There is no such batch.
            DependencyUnavailable: The database is unavailable. If it fails midway, the remaining jobs are
                cancelled later.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> BatchView:
            view = read_batch(transaction, caller, batch_id)
            if not view.has_ended:
                transaction.batches.mark_cancelled(batch_id, now)
            return view

        view = self._caller_unit_of_work.run(
            caller,
            Act.BATCH_CANCEL,
            work,
            subject=lambda view: str(view.batch.id),
            project=lambda view: view.batch.project_id,
            asked_for=str(batch_id),
            again=batch_again(caller, batch_id),
        )
        if view.has_ended:
            return view
        self.cancel_jobs(view.batch)
        return self._batch_reader.get(caller, batch_id)

    def cancel_jobs(self, batch: Batch) -> int:
        """Cancel all jobs that have not ended; return how many."""
        cancelled = 0
        while some := self._unit_of_work.run(lambda transaction: self._cancel_some(transaction, batch)):
            cancelled += some
            self._wake_workers.after_end(batch.tenant)
        return cancelled

    def _cancel_some(self, transaction: Transaction, batch: Batch) -> int:
        now = self._clock.now()
        ids = transaction.batches.unfinished(batch.id, _CANCELLED_AT_ONCE)
        jobs = transaction.jobs.get_all_of_any_tenant(ids)
        cancelled = 0
        for job_id, job in sorted(jobs.items()):
            if isinstance(job, CorruptRow):
                logger.warning("%s; job %s ends when its lease expires", job, job_id)
            elif not job.status.is_terminal:
                cancel(transaction, self._outbox_writer, job, now)
                cancelled += 1
        return cancelled
