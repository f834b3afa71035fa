"""Command: set the quota of a tenant."""

from dataclasses import replace

from application.caller_unit_of_work import CallerUnitOfWork
from application.ports.unit_of_work import Transaction
from application.use_cases.wake_workers import WakeWorkers
from domain.audit import Act
from domain.caller import Caller
from domain.catalogue.text import text
from domain.errors import TenantTransitionRefused
from domain.quota import Quota
from domain.tenant import Tenant, TenantName, TenantStatus


class SetQuota:
    """Sets the quota of a tenant that is not deleted.

    * It replaces the entire previous quota, and applies to work that begins from then on.
    * Workers are woken for executions that may run under the new quota.
    """

    def __init__(self, unit_of_work: CallerUnitOfWork, wake_workers: WakeWorkers) -> None:
        self._unit_of_work = unit_of_work
        self._wake_workers = wake_workers

    def __call__(self, caller: Caller, name: TenantName, quota: Quota) -> Tenant:
        """Return the tenant with its new quota.

        Raises:
            NotFound: There is no such tenant.
            TenantTransitionRefused: The tenant is deleted.
        """

        def work(transaction: Transaction) -> Tenant:
            before = transaction.tenants.lock_or_raise(name)
            if before.status is TenantStatus.DELETED:
                raise TenantTransitionRefused(
                    text("problems.tenant_without_quota", name=name, status=before.status)
                )
            after = replace(before, quota=quota)
            transaction.tenants.replace(before, after)
            return after

        tenant = self._unit_of_work.run(
            caller, Act.TENANT_QUOTA, work, subject=lambda _tenant: name.value, asked_for=name.value
        )
        self._wake_workers(name)
        return tenant
