"""Command: remove old records of processed messages."""

from datetime import timedelta

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork


class ForgetProcessedMessages:
    """Removes the records of processed messages that are too old to be delivered again.

    A duplicate that is delivered even later changes nothing either: its execution has ended.

    Args:
        kept_days: How long a record is kept.
        batch: How many are removed in one transaction.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, kept_days: float, batch: int = 500) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._kept = timedelta(days=kept_days)
        self._batch = batch

    def __call__(self) -> int:
        """Remove every record that is old enough; return how many."""
        before = self._clock.now() - self._kept
        total = 0
        while forgotten := self._unit_of_work.run(
            lambda transaction: transaction.inbox.forget(before, self._batch)
        ):
            total += forgotten
        return total
