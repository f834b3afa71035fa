"""The causes of waits in the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from application.ports.dashboard_queries import DashboardQueries
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.catalogue.text import Text, text
from domain.tenant import TenantName, TenantStatus


class WaitCause(StrEnum):
    """The cause of an execution's wait. Of several, the first one."""

    RETRY = "retry"
    TENANT_SUSPENDED = "tenant_suspended"
    TENANT_BOUND = "tenant_bound"
    NO_WORKER = "no_worker"
    ENGINE = "engine"
    NO_RUNTIME = "no_runtime"
    SLOTS = "slots"
    NEXT = "next"

    @property
    def is_fault(self) -> bool:
        """Whether the wait does not end by itself, when other programs do."""
        return self in _FAULTS


_FAULTS = frozenset({WaitCause.TENANT_SUSPENDED, WaitCause.NO_WORKER, WaitCause.ENGINE, WaitCause.NO_RUNTIME})


@dataclass(frozen=True, slots=True)
class ExplainedWait:
    """The cause of a wait, and its figures in a sentence."""

    cause: WaitCause
    sentence: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingExecution:
    """An execution that waits, as far as the cause depends on it.

    Attributes:
        queue: The queue of the runtime that it needs.
        deferred_since: Since when its engine has not been able to start it.
        delayed_until: When the delay before it ends.
    """

    tenant: TenantName
    queue: str
    deferred_since: datetime | None
    delayed_until: datetime | None


@dataclass(frozen=True, slots=True)
class TenantRoom:
    """The number of executions of a tenant that run, and that may; no bound is None."""

    status: TenantStatus
    running: int
    bound: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The workers that are alive, and what runs on them.

    Attributes:
        workers: The queues that each worker serves, by its name.
        slots: How many programs all of them run at once.
        claimed: How many executions they have.
    """

    workers: Mapping[str, frozenset[str]]
    slots: int
    claimed: int


class WaitCauses:
    """Finds the causes of waits: of the tenant, of the workers, and of the engine.

    Args:
        slots: How many programs each worker runs at once.
        alive_s: How old the last heartbeat of a worker may be.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, dashboard_queries: DashboardQueries, slots: int, alive_s: float
    ) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._slots = slots
        self._alive_s = alive_s

    def capacity(self) -> Capacity:
        """Return the workers that are alive, and what runs on them."""
        workers = self._unit_of_work.read(lambda transaction: transaction.heartbeats.workers(self._alive_s))
        return Capacity(
            workers=workers,
            slots=self._slots * len(workers),
            claimed=self._dashboard_queries.claimed(),
        )

    def of(self, *executions: WaitingExecution) -> list[ExplainedWait]:
        """Return the causes of some waits, in the same order."""
        if not executions:
            return []
        capacity = self.capacity()
        tenants = {execution.tenant for execution in executions}
        rooms = self._unit_of_work.read(
            lambda transaction: {name: _room(transaction, name) for name in tenants}
        )
        return [_explain(execution, rooms[execution.tenant], capacity) for execution in executions]


def _room(transaction: Transaction, name: TenantName) -> TenantRoom:
    tenant = transaction.tenants.get_or_raise(name)
    bound = tenant.quota.running
    running = 0 if bound is None else transaction.executions.count_running(name)
    return TenantRoom(tenant.status, running, bound)


def _explain(execution: WaitingExecution, room: TenantRoom, capacity: Capacity) -> ExplainedWait:
    if execution.delayed_until is not None:
        sentence = text("waits.retry", time=execution.delayed_until)
        return ExplainedWait(WaitCause.RETRY, sentence)
    if room.status is not TenantStatus.ACTIVE:
        sentence = text("waits.tenant_suspended", tenant=str(execution.tenant))
        return ExplainedWait(WaitCause.TENANT_SUSPENDED, sentence)
    if room.bound is not None and room.running >= room.bound:
        sentence = text(
            "waits.tenant_bound", tenant=str(execution.tenant), running=room.running, allowed=room.bound
        )
        return ExplainedWait(WaitCause.TENANT_BOUND, sentence)
    return _explain_by_workers(execution, capacity)


def _explain_by_workers(execution: WaitingExecution, capacity: Capacity) -> ExplainedWait:
    if not capacity.workers:
        return ExplainedWait(WaitCause.NO_WORKER, text("waits.no_worker"))
    if execution.deferred_since is not None:
        return ExplainedWait(WaitCause.ENGINE, text("waits.engine", time=execution.deferred_since))
    if not any(execution.queue in queues for queues in capacity.workers.values()):
        return ExplainedWait(WaitCause.NO_RUNTIME, text("waits.no_runtime", runtime=execution.queue))
    if capacity.claimed >= capacity.slots:
        return ExplainedWait(WaitCause.SLOTS, text("waits.slots", count=capacity.slots))
    return ExplainedWait(WaitCause.NEXT, text("waits.next"))
