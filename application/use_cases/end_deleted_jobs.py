"""Command: end the jobs of deleted tenants."""

import logging

from application.errors import CorruptRow
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.use_cases.cancel_job import cancel
from domain.values import JobId

logger = logging.getLogger("service_server.jobs")

_BATCH = 50
_MOST_BATCHES = 20


class EndDeletedJobs:
    """Cancels the jobs of deleted tenants that have not ended, each in a transaction of its own.

    * The rows show which are left, so that a sweep after a crash goes on where the one before was.
    * Any number of processes may sweep at once.
    """

    def __init__(self, unit_of_work: UnitOfWork, outbox_writer: OutboxWriter, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._clock = clock

    def __call__(self) -> None:
        """Cancel up to a thousand jobs.

        Raises:
            DependencyUnavailable: The database is out of reach; the next sweep goes on.
        """
        for _ in range(_MOST_BATCHES):
            if self.once() < _BATCH:
                return

    def once(self) -> int:
        """Cancel one batch of jobs; return how many were found."""
        found = self._unit_of_work.read(lambda transaction: transaction.jobs.open_of_deleted_tenants(_BATCH))
        for job_id in found:
            self._cancel(job_id)
        return len(found)

    def _cancel(self, job_id: JobId) -> None:
        now = self._clock.now()

        def work(transaction: Transaction) -> None:
            job = transaction.jobs.get_of_any_tenant(job_id)
            if job is not None and not job.status.is_terminal:
                cancel(transaction, self._outbox_writer, job, now)

        try:
            self._unit_of_work.run(work)
        except CorruptRow:
            logger.exception("job %s of a deleted tenant cannot be cancelled", job_id)
