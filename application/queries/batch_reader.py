"""Reads of single batches and lists of batches, with the numbers of their jobs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from application.errors import NotFound
from application.lists import Cursor
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.views import BatchView
from domain.caller import Caller
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.values import BatchId

DEFAULT_BATCHES = 20
MAX_BATCHES = 100


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Batches, newest first, and where the next page begins, if there is one."""

    batches: Sequence[BatchView]
    next: Cursor | None


class BatchReader:
    """Reads batches. Their jobs are counted from an index at each read."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def get(self, caller: Caller, batch_id: BatchId) -> BatchView:
        """Return a batch and its jobs.

        Raises:
            NotFound: There is no such batch.
        """
        return self._unit_of_work.read(lambda transaction: read_batch(transaction, caller, batch_id))

    def page(
        self,
        caller: Caller,
        limit: int = DEFAULT_BATCHES,
        cursor: Cursor | None = None,
        *,
        with_jobs: bool = True,
    ) -> BatchPage:
        """Return a page of the batches that the caller can access, newest first.

        Raises:
            InvalidValue: The limit is out of range.
        """
        if not 0 <= limit <= MAX_BATCHES:
            raise InvalidValue("limit", text("problems.from_0", maximum=MAX_BATCHES))
        if limit == 0:
            return BatchPage((), None)

        def read(transaction: Transaction) -> BatchPage:
            found = transaction.batches.page(caller, limit + 1, cursor)
            shown = found[:limit]
            ids = [batch.id for batch in shown]
            begun = transaction.batches.begun(ids)
            if with_jobs:
                jobs = transaction.batches.jobs(ids)
                views = [
                    BatchView(
                        batch=batch,
                        by_status=Counter(jobs[batch.id].values()),
                        begun=begun.get(batch.id, {}),
                        jobs=tuple(jobs[batch.id]),
                    )
                    for batch in shown
                    if batch.id in jobs
                ]
            else:
                counts = transaction.batches.counts(ids)
                views = [
                    BatchView(batch=batch, by_status=counts[batch.id], begun=begun.get(batch.id, {}))
                    for batch in shown
                    if batch.id in counts
                ]
            last = shown[-1] if len(found) > limit else None
            return BatchPage(views, None if last is None else Cursor(last.created_at, last.id))

        return self._unit_of_work.read(read)


def read_batch(transaction: Transaction, caller: Caller, batch_id: BatchId) -> BatchView:
    """Return a batch and its jobs, as seen by a transaction.

    Raises:
        NotFound: There is no such batch, or its project is purged.
    """
    batch = transaction.batches.get_or_raise(caller, batch_id)
    jobs = transaction.batches.jobs([batch_id]).get(batch_id)
    if not jobs:
        raise NotFound("batch", batch_id)
    begun = transaction.batches.begun([batch_id]).get(batch_id, {})
    return BatchView(batch=batch, by_status=Counter(jobs.values()), begun=begun, jobs=tuple(jobs))
