"""Command: delete a tenant."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.purge_repository import Purge
from application.ports.unit_of_work import Transaction
from application.use_cases.revoke_key import active_administrators
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.tenant import Tenant, TenantName, TenantStatus, TenantTrigger


class DeleteTenant:
    """Deletes a tenant permanently.

    * Its keys are revoked in the same transaction.
    * From then on no caller can access its data. `RemoveDeleted` cancels its running jobs and removes
      everything except its audit entries and its name.
    * The tenant `default` cannot be deleted, nor can a tenant that owns all active keys with ADMIN.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, clock: Clock, ids: IdGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids

    def __call__(self, caller: Caller, name: TenantName) -> Tenant:
        """Return the deleted tenant.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: The tenant is `default`.
            Conflict: The tenant owns all active keys with ADMIN.
        """
        now = self._clock.now()
        purge = Purge(id=self._ids.new(), tenant=name, requested_at=now, requested_by=caller.principal)

        def work(transaction: Transaction) -> Tenant:
            before = transaction.tenants.lock_or_raise(name)
            after = before.apply(TenantTrigger.DELETE)
            owners = {key.tenant for key in active_administrators(transaction, now)}
            if owners == {name}:
                raise Conflict(text("problems.tenant_has_all_keys", name=name, scope=Scope.ADMIN))
            transaction.tenants.replace(before, after)
            transaction.keys.revoke_all(name, now)
            if before.status is not TenantStatus.DELETED:
                transaction.purges.add(purge)
            return after

        return self._unit_of_work.run(
            caller, Act.TENANT_DELETE, work, subject=lambda _tenant: name.value, asked_for=name.value
        )
