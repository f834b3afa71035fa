"""Command: create a tenant."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.idempotent_requests import Again
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.tenant_separation import TenantSeparation
from domain.audit import Act
from domain.caller import Caller
from domain.quota import Quota
from domain.tenant import Tenant, TenantName, TenantStatus


class CreateTenant:
    """Creates a tenant.

    * A name is never reused, even after its tenant was deleted.
    * If the engine does not isolate tenants from each other, only one tenant can be active, unless a setting
      allows more.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, separation: TenantSeparation) -> None:
        self._unit_of_work = unit_of_work
        self._separation = separation
        self._clock = clock

    def __call__(self, caller: Caller, name: str, quota: Quota) -> Tenant:
        """Return the new tenant.

        Raises:
            InvalidValue: The name breaks its rule.
            Conflict: The name is or was that of another tenant; or another tenant is active, and the engine
                does not isolate the programs of tenants from each other.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> Tenant:
            tenant = Tenant(name=TenantName(name), status=TenantStatus.ACTIVE, created_at=now, quota=quota)
            transaction.tenants.add(tenant)
            self._separation.admit(transaction, tenant.name)
            return tenant

        return self._unit_of_work.run(
            caller,
            Act.TENANT_CREATE,
            work,
            subject=lambda _tenant: name,
            asked_for=name,
            again=Again(name, lambda transaction, made: transaction.tenants.lock_or_raise(TenantName(made))),
        )
