"""Command: suspend or resume a tenant, or set its quota."""

from collections.abc import Callable
from dataclasses import replace

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.unit_of_work import Transaction
from domain.audit import Act
from domain.caller import Caller
from domain.errors import TenantTransitionRefused
from domain.quota import Quota
from domain.tenant import Tenant, TenantName, TenantStatus, TenantTrigger


class ChangeTenant:
    """Changes a tenant that is not deleted.

    * A suspended tenant reads and cancels, and starts nothing. Programs that run, run to their end.
    * A quota takes the place of the whole quota before. It counts for what begins from then on.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def suspend(self, caller: Caller, name: TenantName) -> Tenant:
        """Return the tenant, suspended.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: It is deleted.
        """
        return self._run(caller, Act.TENANT_SUSPEND, name, lambda t: t.apply(TenantTrigger.SUSPEND))

    def resume(self, caller: Caller, name: TenantName) -> Tenant:
        """Return the tenant, active.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: It is deleted.
        """
        return self._run(caller, Act.TENANT_RESUME, name, lambda t: t.apply(TenantTrigger.RESUME))

    def set_quota(self, caller: Caller, name: TenantName, quota: Quota) -> Tenant:
        """Return the tenant with its new quota.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: It is deleted.
        """
        return self._run(caller, Act.TENANT_QUOTA, name, lambda tenant: _with_quota(tenant, quota))

    def _run(self, caller: Caller, act: Act, name: TenantName, change: Callable[[Tenant], Tenant]) -> Tenant:
        def work(transaction: Transaction) -> Tenant:
            before = transaction.tenants.lock_or_raise(name)
            after = change(before)
            transaction.tenants.replace(before, after)
            return after

        return self._unit_of_work.run(
            caller, act, work, subject=lambda _tenant: name.value, asked_for=name.value
        )


def _with_quota(tenant: Tenant, quota: Quota) -> Tenant:
    if tenant.status is TenantStatus.DELETED:
        raise TenantTransitionRefused(f"tenant '{tenant.name}' is {tenant.status} and has no quota")
    return replace(tenant, quota=quota)
