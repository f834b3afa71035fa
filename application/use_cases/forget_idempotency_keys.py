"""Command: remove old records of idempotency keys."""

from datetime import timedelta

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork


class ForgetIdempotencyKeys:
    """Removes the records of idempotency keys that are known no longer, with their answers.

    Args:
        kept_hours: How long a key is known.
        batch: How many are removed in one transaction.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, kept_hours: float, batch: int = 500) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._kept = timedelta(hours=kept_hours)
        self._batch = batch

    def __call__(self) -> int:
        """Remove every record that is old enough; return how many."""
        before = self._clock.now() - self._kept
        total = 0
        while forgotten := self._unit_of_work.run(
            lambda transaction: transaction.idempotency_keys.forget(before, self._batch)
        ):
            total += forgotten
        return total
