"""Command: post the audit entries of the journal to the ledger."""

from application.ports.unit_of_work import UnitOfWork
from application.record_refusal import RecordRefusal

# How many entries are moved in one transaction.
_BATCH = 500


class PostAuditEntries:
    """Moves entries from the journal to the ledger, where they are chained and their usage is summed.

    * Any process may post at any time; only one posts at a time, in the order of the entries' ids.
    * A batch is moved entirely or not at all, so that a killed process neither loses nor duplicates entries.
    * Counts of refusals that had no entry are recorded first.
    """

    def __init__(self, unit_of_work: UnitOfWork, record_refusal: RecordRefusal) -> None:
        self._unit_of_work = unit_of_work
        self._record_refusal = record_refusal

    def __call__(self) -> int:
        """Move all entries in the journal; return how many this process moved."""
        self._record_refusal.record_left_out()
        total = 0
        while self._unit_of_work.read(lambda transaction: transaction.audit.waiting(1)):
            moved = self._unit_of_work.run(lambda transaction: transaction.audit.post(_BATCH))
            total += moved
            if moved < _BATCH:
                break
        return total
