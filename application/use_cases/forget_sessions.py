"""Command: remove old sessions."""

from datetime import timedelta

from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork


class ForgetSessions:
    """Removes sessions that are long over. Until then they show who was here, and when.

    Args:
        kept_days: How long a session is kept after its end.
        batch: How many are removed in one transaction.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, kept_days: float, batch: int = 500) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._kept = timedelta(days=kept_days)
        self._batch = batch

    def __call__(self) -> int:
        """Remove every session that is old enough; return how many."""
        before = self._clock.now() - self._kept
        total = 0
        while forgotten := self._unit_of_work.run(
            lambda transaction: transaction.sessions.forget_of_any_tenant(before, self._batch)
        ):
            total += forgotten
        return total
