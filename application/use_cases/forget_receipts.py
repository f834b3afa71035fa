from datetime import timedelta

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork


class ForgetReceipts:
    """Forget which messages of others were acted on, once they are too old to be delivered again.

    A report that comes after that is late, for its execution has ended, and changes nothing either.

    Args:
        kept_days: How long a message is remembered.
        batch: How many are forgotten in one transaction.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, kept_days: float, batch: int = 500) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._kept = timedelta(days=kept_days)
        self._batch = batch

    def __call__(self) -> int:
        """Forget all that is old enough; return how many messages that were."""
        before = self._clock.now() - self._kept
        total = 0
        while forgotten := self._unit_of_work.run(
            lambda transaction: transaction.inbox.forget(before, self._batch)
        ):
            total += forgotten
        return total
