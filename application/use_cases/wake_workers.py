"""Command: wake workers for executions that had to wait for their tenant."""

import logging

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.ports.work_queue import WorkQueue
from domain.tenant import TenantName, TenantStatus

logger = logging.getLogger("service_server.executions")

# A tenant passes for one without a bound for so long after it was seen to have none.
_UNBOUNDED_FOR_S = 5.0


class WakeWorkers:
    """Wakes workers for the executions of a tenant that may run from now on.

    * A wake-up is spent when a worker finds nothing to claim. So executions that wait because their tenant is
      suspended, or has as many running as its quota allows, have none left when they may run.
    * Workers are woken when a tenant is resumed, when its quota is changed, and when an execution of a tenant
      with a bound no longer runs.
    * They are woken too when an engine that had no room for a program has room again.
    * No more are woken than executions may be claimed, and none for a tenant without a bound whose execution
      has ended.
    * It never fails: a wake-up that is lost delays work until `RecoverOrphans` wakes workers again.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        work_queue: WorkQueue,
        clock: Clock,
        max_wake_ups: int,
        worker_threads: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._work_queue = work_queue
        self._clock = clock
        self._max_wake_ups = max_wake_ups
        self._worker_threads = worker_threads
        self._unbounded_until: dict[TenantName, float] = {}

    def __call__(self, tenant: TenantName) -> None:
        """Wake workers for all executions of a tenant that may run now."""
        self._wake(tenant, self._max_wake_ups)

    def after_end(self, tenant: TenantName) -> None:
        """Wake a worker for the execution that may run in place of one that no longer runs."""
        now = self._clock.monotonic()
        if self._unbounded_until.get(tenant, now) <= now:
            self._wake(tenant, 1, only_with_bound=True)

    def for_room(self) -> None:
        """Wake workers for executions that waited for room in the engine, and whose wake-ups are spent."""
        try:
            self._work_queue.wake(self._worker_threads)
        except DependencyUnavailable as error:
            logger.warning("no worker is woken for the room that there is: %s", error, extra=outage_of(error))

    def for_others(self) -> None:
        """Wake a worker for an execution whose wake-up was spent here, where it cannot run."""
        try:
            self._work_queue.wake(1)
        except DependencyUnavailable as error:
            logger.warning("no worker is woken for what cannot run here: %s", error, extra=outage_of(error))

    def _wake(self, tenant: TenantName, at_most: int, *, only_with_bound: bool = False) -> None:
        def claimable(transaction: Transaction) -> int:
            found = transaction.tenants.get(tenant)
            if found is None or found.status is not TenantStatus.ACTIVE:
                return 0
            bound = found.quota.running
            if bound is None:
                self._unbounded_until[tenant] = self._clock.monotonic() + _UNBOUNDED_FOR_S
                return 0 if only_with_bound else transaction.executions.count_waiting(tenant, at_most)
            room = min(bound - transaction.executions.count_running(tenant), at_most)
            return transaction.executions.count_waiting(tenant, room) if room > 0 else 0

        try:
            if times := self._unit_of_work.read(claimable):
                self._work_queue.wake(times)
        except DependencyUnavailable as error:
            logger.warning("no worker is woken for tenant %s: %s", tenant, error, extra=outage_of(error))
