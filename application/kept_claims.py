"""The claims of executions whose results wait on this machine's disk."""

import logging
from collections.abc import Collection

from application.errors import DependencyUnavailable
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.execution_lifecycle import SPOOL_PREFIX
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")

# The claim outlives the kept result by this long, so the worker that keeps the result reports its loss first.
_LEASE_GRACE_S = 60.0
# How often the claims of kept results are renewed while the log store is unavailable.
_RENEW_EVERY_S = 10.0


class KeptClaims:
    """The claims of executions whose results wait on this machine's disk for the log store.

    Args:
        worker: The name of this process in its claims.
        kept_s: The maximum time for which a result is kept, in seconds.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, worker: str, kept_s: float) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._holder = f"{SPOOL_PREFIX}{worker}"
        self._lease_s = kept_s + _LEASE_GRACE_S
        self._renew_at = 0.0

    def hold(self, execution_id: ExecutionId) -> bool:
        """Claim an execution for as long as its result may be kept.

        Returns:
            False if the database is unavailable; the next renewal then claims the execution.
        """
        try:
            self._claim([execution_id])
        except DependencyUnavailable as error:
            logger.warning(
                "the claim of execution %s, whose result is kept on disk, was not extended yet: %s",
                execution_id,
                error,
            )
            self._renew_at = 0.0
            return False
        return True

    def renew(self, execution_ids: Collection[ExecutionId]) -> None:
        """Renew claims at intervals: setting the database's clock voids leases.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        if self._clock.monotonic() >= self._renew_at:
            self._claim(execution_ids)
            self._renew_at = self._clock.monotonic() + _RENEW_EVERY_S

    def _claim(self, execution_ids: Collection[ExecutionId]) -> None:
        def work(transaction: Transaction) -> None:
            for execution_id in sorted(execution_ids):
                # A claim lost by now is detected when the execution is completed.
                transaction.executions.await_storage(execution_id, self._holder, self._lease_s)

        self._unit_of_work.run(work)
