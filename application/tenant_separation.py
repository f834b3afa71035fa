"""The rule that separates the programs of several tenants."""

from collections.abc import Sequence

from application.errors import Conflict, DependencyUnavailable
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.catalogue.text import Text, text
from domain.tenant import TenantName, TenantStatus

# How long the list of active tenants is cached, because claims are frequent.
_KEPT_S = 2.0
_REMEDY = text("engine.tenants_remedy")
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
        self._trouble: Text | None = None
        self._known_until = 0.0

    def admit(self, transaction: Transaction, name: TenantName) -> None:
        """Refuse to let a tenant become active beside others if the engine does not isolate them.

        Raises:
            Conflict: The engine does not isolate the tenants' programs from each other.
        """
        others = [tenant for tenant in _active(transaction) if tenant != name] if self._applies() else []
        if others:
            raise Conflict(
                text(
                    "engine.tenants_beside",
                    name=name,
                    others=_listed(others),
                    first=others[0],
                    remedy=_REMEDY,
                )
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

    def _found_trouble(self) -> Text | None:
        if not self._is_required:
            return None
        now = self._clock.monotonic()
        if now >= self._known_until:
            self._trouble, self._known_until = self._look(), now + _KEPT_S
        return self._trouble

    def _look(self) -> Text | None:
        tenants = self._unit_of_work.read(_active) if self._applies() else []
        if len(tenants) < 2:  # noqa: PLR2004 - several
            return None
        return text("engine.tenants_active", tenants=_listed(tenants), remedy=_REMEDY)

    def _applies(self) -> bool:
        if not self._is_required:
            return False
        description = self._engine.describe()
        return description.is_isolated is False or bool(description.missing)


def _active(transaction: Transaction) -> Sequence[TenantName]:
    return [tenant.name for tenant in transaction.tenants.all() if tenant.status is TenantStatus.ACTIVE]


def _listed(tenants: Sequence[TenantName]) -> Text | str:
    shown, rest = ", ".join(f"'{name}'" for name in tenants[:_MOST_LISTED]), len(tenants) - _MOST_LISTED
    return shown if rest <= 0 else text("engine.tenants_and_more", tenants=shown, count=rest)
