"""Command: delete a tenant."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import Conflict
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.use_cases.end_deleted_jobs import EndDeletedJobs
from application.use_cases.revoke_key import active_administrators
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.tenant import Tenant, TenantName, TenantTrigger


class DeleteTenant:
    """Deletes a tenant for good. One that is deleted stays so.

    * Its keys are revoked with it, in one transaction.
    * Its jobs that have not ended are cancelled: some at once, and the others soon, by `EndDeletedJobs`.
    * The tenant `default` stays, and so does a tenant that has all active keys with ADMIN.
    """

    def __init__(
        self, unit_of_work: CallerUnitOfWork, end_deleted_jobs: EndDeletedJobs, clock: Clock
    ) -> None:
        self._unit_of_work = unit_of_work
        self._end_deleted_jobs = end_deleted_jobs
        self._clock = clock

    def __call__(self, caller: Caller, name: TenantName) -> Tenant:
        """Return the tenant, deleted.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: It is the tenant `default`.
            Conflict: It has all active keys with ADMIN.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> Tenant:
            before = transaction.tenants.lock_or_raise(name)
            after = before.apply(TenantTrigger.DELETE)
            owners = {key.tenant for key in active_administrators(transaction, now)}
            if owners == {name}:
                raise Conflict(
                    f"tenant '{name}' has all active keys with the scope '{Scope.ADMIN}'; create one in "
                    "another tenant first"
                )
            transaction.tenants.replace(before, after)
            transaction.keys.revoke_all(name, now)
            return after

        tenant = self._unit_of_work.run(
            caller, Act.TENANT_DELETE, work, subject=lambda _tenant: name.value, asked_for=name.value
        )
        self._end_deleted_jobs.once()
        return tenant
