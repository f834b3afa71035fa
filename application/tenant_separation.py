"""The rule that separates the programs of several tenants."""

from collections.abc import Sequence

from application.errors import Conflict, DependencyUnavailable
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.tenant import TenantName, TenantStatus

# How long the list of active tenants is cached, because claims are frequent.
_KEPT_S = 2.0
_ALLOW = (
    "run the service on a host that isolates programs wholly ('service-server doctor' lists the missing "
    "guarantees), or set SERVICE_SERVER_SHARED_TENANTS=allow, if all of them trust each other"
)
_MOST_LISTED = 3


class TenantSeparation:
    """Keeps programs of several tenants away from an engine that does not isolate them from each other.

    * An engine with partial or no isolation runs only the programs of a single active tenant.
    * The isolation of a remote engine that does not report it is its operator's responsibility.

    Args:
        is_required: Whether the rule applies to this process: it runs programs, and no setting lifts the
            rule.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, engine: ExecutionEngine, clock: Clock, *, is_required: bool
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._clock = clock
        self._is_required = is_required
        self._trouble: str | None = None
        self._known_until = 0.0

    def admit(self, transaction: Transaction, name: TenantName) -> None:
        """Refuse to let a tenant become active beside others if the engine does not isolate them.

        Raises:
            Conflict: The engine does not isolate the tenants' programs from each other.
        """
        others = [tenant for tenant in _active(transaction) if tenant != name] if self._applies() else []
        if others:
            raise Conflict(
                f"the engine does not isolate programs of several tenants from each other, so '{name}' "
                f"cannot be active beside {_listed(others)}; suspend the others "
                f"('service-server tenants suspend {others[0]}'), {_ALLOW}"
            )

    def startable_queues(self) -> frozenset[str] | None:
        """Return the queues whose executions may be claimed; None for all of them."""
        return frozenset() if self._found_trouble() else self._engine.startable_queues()

    def check(self) -> None:
        """Check that programs of all active tenants may be run.

        Raises:
            DependencyUnavailable: They may not be run; the message names the remedy.
        """
        if trouble := self._found_trouble():
            raise DependencyUnavailable("engine", trouble)

    def _found_trouble(self) -> str | None:
        if not self._is_required:
            return None
        now = self._clock.monotonic()
        if now >= self._known_until:
            self._trouble, self._known_until = self._look(), now + _KEPT_S
        return self._trouble

    def _look(self) -> str | None:
        tenants = self._unit_of_work.read(_active) if self._applies() else []
        if len(tenants) < 2:  # noqa: PLR2004 - several
            return None
        return (
            "no program is run, for this host does not isolate programs of several tenants from each other, "
            f"and {_listed(tenants)} are active; suspend all but one, {_ALLOW}"
        )

    def _applies(self) -> bool:
        if not self._is_required:
            return False
        description = self._engine.describe()
        return description.is_isolated is False or bool(description.missing)


def _active(transaction: Transaction) -> Sequence[TenantName]:
    return [tenant.name for tenant in transaction.tenants.all() if tenant.status is TenantStatus.ACTIVE]


def _listed(tenants: Sequence[TenantName]) -> str:
    shown = ", ".join(f"'{name}'" for name in tenants[:_MOST_LISTED])
    return shown if len(tenants) <= _MOST_LISTED else f"{shown} and {len(tenants) - _MOST_LISTED} more"
