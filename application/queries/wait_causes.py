"""Why executions wait in the queue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from application.ports.dashboard_queries import DashboardQueries
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.catalogue.text import Text, text
from domain.tenant import TenantName, TenantStatus


class WaitCause(StrEnum):
    """The cause of an execution's wait. If several apply, the first one counts."""

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
        """Whether the wait does not resolve when other programs end."""
        return self in _FAULTS


_FAULTS = frozenset({WaitCause.TENANT_SUSPENDED, WaitCause.NO_WORKER, WaitCause.ENGINE, WaitCause.NO_RUNTIME})


@dataclass(frozen=True, slots=True)
class ExplainedWait:
    """The cause of a wait, and a sentence with its figures."""

    cause: WaitCause
    sentence: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingExecution:
    """The properties of a waiting execution that determine the cause.

    Attributes:
        queue: The queue of the runtime that it needs.
        deferred_since: Since when its engine has been unable to start it.
        delayed_until: When its delay ends.
    """

    tenant: TenantName
    queue: str
    deferred_since: datetime | None
    delayed_until: datetime | None


@dataclass(frozen=True, slots=True)
class TenantRoom:
    """How many executions of a tenant are running, and how many may; `bound` is None without a limit."""

    status: TenantStatus
    running: int
    bound: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """The live workers, and their load.

    Attributes:
        workers: The queues that each worker serves, by the worker's name.
        slots: How many programs all workers together run at once.
        claimed: How many executions they hold.
    """

    workers: Mapping[str, frozenset[str]]
    slots: int
    claimed: int


class WaitCauses:
    """Determines why executions wait: because of the tenant, the workers or the engine.

    Args:
        slots: How many programs each worker runs at once.
        alive_s: The maximum age of the last heartbeat of a live worker.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, dashboard_queries: DashboardQueries, slots: int, alive_s: float
    ) -> None:
        self._unit_of_work = unit_of_work
        self._dashboard_queries = dashboard_queries
        self._slots = slots
        self._alive_s = alive_s

    def capacity(self) -> Capacity:
        """Return the live workers, and their load."""
        workers = self._unit_of_work.read(lambda transaction: transaction.heartbeats.workers(self._alive_s))
        return Capacity(
            workers=workers,
            slots=self._slots * len(workers),
            claimed=self._dashboard_queries.claimed(),
        )

    def of(self, *executions: WaitingExecution) -> list[ExplainedWait]:
        """Return the causes of the given waits, in the same order."""
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
    if execution.delayed_until is not None and execution.deferred_since is None:
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
