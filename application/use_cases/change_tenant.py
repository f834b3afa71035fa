"""Command: suspend or resume a tenant."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.unit_of_work import Transaction
from application.tenant_separation import TenantSeparation
from application.use_cases.wake_workers import WakeWorkers
from domain.audit import Act
from domain.caller import Caller
from domain.tenant import Tenant, TenantName, TenantStatus, TenantTrigger

_ACTS = {TenantTrigger.SUSPEND: Act.TENANT_SUSPEND, TenantTrigger.RESUME: Act.TENANT_RESUME}


class ChangeTenant:
    """Suspends or resumes a tenant that is not deleted.

    * A suspended tenant can read and cancel but start nothing. Running programs continue to their end.
    * Executions of a suspended tenant keep waiting; workers are woken for them when the tenant is resumed.
    """

    def __init__(
        self, unit_of_work: CallerUnitOfWork, wake_workers: WakeWorkers, separation: TenantSeparation
    ) -> None:
        self._unit_of_work = unit_of_work
        self._separation = separation
        self._wake_workers = wake_workers

    def __call__(self, caller: Caller, name: TenantName, trigger: TenantTrigger) -> Tenant:
        """Apply the trigger; return the changed tenant.

        Args:
            caller: The caller.
            name: The tenant's name.
            trigger: SUSPEND or RESUME.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: The tenant is deleted.
            Conflict: Another tenant is active, and the engine does not isolate the programs of tenants from
                each other.
        """

        def work(transaction: Transaction) -> Tenant:
            before = transaction.tenants.lock_or_raise(name)
            after = before.apply(trigger)
            if after.status is TenantStatus.ACTIVE and before.status is not TenantStatus.ACTIVE:
                self._separation.admit(transaction, name)
            transaction.tenants.replace(before, after)
            return after

        tenant = self._unit_of_work.run(
            caller, _ACTS[trigger], work, subject=lambda _tenant: name.value, asked_for=name.value
        )
        self._wake_workers(name)
        return tenant
