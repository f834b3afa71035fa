"""Reads of tenants and of API keys."""

from collections.abc import Sequence

from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.views import KeyView
from domain.caller import Caller
from domain.tenant import Tenant, TenantName


class TenantReader:
    """Reads tenants, for administrators."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def get(self, name: TenantName) -> Tenant:
        """Return a tenant, in any status.

        Raises:
            NotFound: There is no such tenant.
        """
        return self._unit_of_work.read(lambda transaction: transaction.tenants.get_or_raise(name))

    def all(self) -> Sequence[Tenant]:
        """Return the tenants in any status, sorted by name."""
        return self._unit_of_work.read(lambda transaction: transaction.tenants.all())


class KeyReader:
    """Reads the keys of a tenant."""

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def all(self, caller: Caller, tenant: TenantName | None = None) -> Sequence[KeyView]:
        """Return the keys that the caller can access in its tenant or, with ADMIN, in another; oldest first.

        Raises:
            ScopeMissing: It is another tenant, and the caller lacks ADMIN.
            NotFound: There is no such tenant.
        """
        now = self._clock.now()
        name = tenant or caller.tenant.name
        caller.require_tenant(name)

        def work(transaction: Transaction) -> Sequence[KeyView]:
            within = caller.within(transaction.tenants.get_or_raise(name))
            keys = transaction.keys.all(within)
            ids = {key.project for key in keys if key.project is not None}
            projects = {project_id: transaction.projects.get(within, project_id) for project_id in ids}
            return [
                KeyView.of(key, None if key.project is None else projects[key.project], now) for key in keys
            ]

        return self._unit_of_work.read(work)
