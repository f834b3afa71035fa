"""Command: complete batches whose jobs have all ended."""

import logging
from collections.abc import Collection

from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.use_cases.cancel_batch import CancelBatch
from application.webhook_writer import WebhookWriter
from domain.events import BatchCompleted
from domain.values import BatchId

logger = logging.getLogger("service_server.jobs")

# The maximum number of batches of each kind that a sweep continues or completes.
_MOST = 100


class CompleteBatches:
    """Completes each batch once, when the last of its jobs has ended.

    * It is called with a job's batch after the commit of the job's end. If two jobs end at the same time, the
      later commit sees that both have ended. The completion is written once, together with its event.
    * A sweep finds the batches that were missed because a process of an earlier version recorded an end, or a
      job was deleted before it ended. It also continues cancellations that a killed process left unfinished.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        outbox_writer: OutboxWriter,
        webhook_writer: WebhookWriter,
        cancel_batch: CancelBatch,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._webhook_writer = webhook_writer
        self._cancel_batch = cancel_batch
        self._clock = clock

    def __call__(self, batch_ids: Collection[BatchId]) -> int:
        """Complete the given batches that have no unfinished job; return how many were completed.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        return sum(self._complete(batch_id) for batch_id in batch_ids)

    def sweep(self) -> int:
        """Continue cancellations, and complete the batches that were missed; return how many were completed.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        for batch in self._unit_of_work.read(lambda t: t.batches.being_cancelled(_MOST)):
            if cancelled := self._cancel_batch.cancel_jobs(batch):
                logger.info("cancelled %d more jobs of batch %s", cancelled, batch.id)
        return self(self._unit_of_work.read(lambda t: t.batches.overdue(_MOST)))

    def _complete(self, batch_id: BatchId) -> bool:
        if self._unit_of_work.read(lambda transaction: transaction.batches.unfinished(batch_id, 1)):
            return False
        now = self._clock.now()

        def work(transaction: Transaction) -> bool:
            is_completed = transaction.batches.complete(batch_id, now)
            if is_completed:
                completed = BatchCompleted(batch_id=batch_id, occurred_at=now)
                self._outbox_writer.add(transaction, (completed,), None)
                if (batch := transaction.batches.get_of_any_tenant(batch_id)) is not None:
                    self._webhook_writer.add_batch_event(transaction, completed, batch)
            return is_completed

        is_completed = self._unit_of_work.run(work)
        if is_completed:
            logger.info("batch %s completed", batch_id)
        return is_completed
