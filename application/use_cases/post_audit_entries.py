"""Command: post the audit entries of the journal to the ledger."""

from application.ports.unit_of_work import UnitOfWork
from application.record_refusal import RecordRefusal


class PostAuditEntries:
    """Moves entries from the journal to the ledger, where they are chained and their usage is summed.

    * Any process may post at any time; only one posts at a time, in the order of the entries' ids.
    * A batch is moved entirely or not at all, so that a killed process neither loses nor duplicates entries.
    * Counts of refusals that had no entry are recorded first.

    Args:
        batch: How many entries are moved in one transaction.
    """

    def __init__(self, unit_of_work: UnitOfWork, record_refusal: RecordRefusal, batch: int = 500) -> None:
        self._unit_of_work = unit_of_work
        self._record_refusal = record_refusal
        self._batch = batch

    def __call__(self) -> int:
        """Move all entries in the journal; return how many this process moved."""
        self._record_refusal.record_left_out()
        total = 0
        while self._unit_of_work.read(lambda transaction: transaction.audit.waiting(1)):
            moved = self._unit_of_work.run(lambda transaction: transaction.audit.post(self._batch))
            total += moved
            if moved < self._batch:
                break
        return total
