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

    * A name is never given anew, also after its tenant was deleted.
    * An engine that does not isolate programs wholly runs those of one active tenant, unless set otherwise.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, separation: TenantSeparation) -> None:
        self._unit_of_work = unit_of_work
        self._separation = separation
        self._clock = clock

    def __call__(self, caller: Caller, name: str, quota: Quota) -> Tenant:
        """Return the new tenant.

        Raises:
            InvalidValue: The name breaks its rule.
            Conflict: The name is, or was, another tenant's; or another tenant is active, and the engine does
                not isolate their programs from each other.
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
