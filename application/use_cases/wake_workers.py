"""Command: wake workers for executions that were held back by their tenant."""

import logging

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.ports.work_queue import WorkQueue
from domain.tenant import TenantName, TenantStatus

logger = logging.getLogger("service_server.executions")

# A tenant counts as unlimited for this long after it was last seen without a quota of running executions.
_UNBOUNDED_FOR_S = 5.0


class WakeWorkers:
    """Wakes workers for the executions of a tenant that may run from now on.

    * A wake-up is used up when a worker finds nothing to claim. Executions held back because their tenant is
      suspended or at its quota therefore have no wake-up left when they may run.
    * Workers are woken when a tenant is resumed, when its quota changes, and when an execution of a tenant
      with a quota of running executions ends.
    * They are also woken when an engine that had no room for a program has room again.
    * At most as many workers are woken as executions may be claimed, and none after the end of an execution
      of an unlimited tenant.
    * It never raises: a lost wake-up delays work until `RecoverOrphans` wakes workers again.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        work_queue: WorkQueue,
        clock: Clock,
        max_wake_ups: int,
        worker_threads: int,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._work_queue = work_queue
        self._clock = clock
        self._max_wake_ups = max_wake_ups
        self._worker_threads = worker_threads
        self._unbounded_until: dict[TenantName, float] = {}

    def __call__(self, tenant: TenantName) -> None:
        """Wake workers for all executions of a tenant that may run now."""
        self._wake(tenant, self._max_wake_ups)

    def after_end(self, tenant: TenantName) -> None:
        """Wake a worker for an execution that may run because another has ended."""
        now = self._clock.monotonic()
        if self._unbounded_until.get(tenant, now) <= now:
            self._wake(tenant, 1, only_with_bound=True)

    def for_room(self) -> None:
        """Wake workers for executions without a wake-up, if the engine has room that it lacked for them."""
        if not self._engine.regained_room():
            return
        try:
            self._work_queue.wake(self._worker_threads)
        except DependencyUnavailable as error:
            logger.warning(
                "workers not woken for free capacity of the engine: %s", error, extra=outage_of(error)
            )

    def for_others(self) -> None:
        """Wake a worker for an execution that cannot run here and has no wake-up left."""
        try:
            self._work_queue.wake(1)
        except DependencyUnavailable as error:
            logger.warning(
                "no other worker woken for an execution that cannot run here: %s",
                error,
                extra=outage_of(error),
            )

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
            logger.warning("workers not woken for tenant %s: %s", tenant, error, extra=outage_of(error))
