"""Command: remove old records of one kind."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

from application.pace import SOON, Pace
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork

# Takes a transaction, a time and a limit; removes up to that many older records and returns how many.
Forget: TypeAlias = Callable[[Transaction, datetime, int], int]


class ForgetOldRecords:
    """Removes the records of one kind that are no longer needed, in batches.

    Args:
        kept: How long a record is kept.
        batch: The maximum number removed in one transaction.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, clock: Clock, forget: Forget, kept: timedelta, batch: int = 500
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._forget = forget
        self._kept = kept
        self._pace = Pace(clock, share=SOON, largest=batch)

    def __call__(self) -> int:
        """Remove every record that is old enough; return how many."""
        before = self._clock.now() - self._kept
        total = 0
        self._pace.begin()
        while forgotten := self._pace.step("records", lambda size: self._forget_batch(before, size)):
            total += forgotten
        return total

    def _forget_batch(self, before: datetime, size: int) -> int:
        return self._unit_of_work.run(
            self._pace.timed(lambda transaction: self._forget(transaction, before, size))
        )
