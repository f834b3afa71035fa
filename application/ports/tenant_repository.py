"""The port to stored tenants."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from application.errors import NotFound
from domain.tenant import Tenant, TenantName


class TenantRepository(ABC):
    """The tenants, deleted ones among them: a name is never given anew."""

    @abstractmethod
    def get(self, name: TenantName) -> Tenant | None:
        """Return the tenant of that name, in any status, or None."""

    def get_or_raise(self, name: TenantName) -> Tenant:
        """Return the tenant of that name, in any status.

        Raises:
            NotFound: There is none.
        """
        tenant = self.get(name)
        if tenant is None:
            raise NotFound("tenant", name)
        return tenant

    @abstractmethod
    def lock(self, name: TenantName) -> Tenant | None:
        """Return the tenant of that name, which no other transaction changes or locks until this one ends."""

    def lock_or_raise(self, name: TenantName) -> Tenant:
        """Return the tenant of that name, in any status, locked.

        Raises:
            NotFound: There is none.
        """
        tenant = self.lock(name)
        if tenant is None:
            raise NotFound("tenant", name)
        return tenant

    @abstractmethod
    def add(self, tenant: Tenant) -> None:
        """Store a new tenant.

        Raises:
            Conflict: The name is, or was, another tenant's.
        """

    @abstractmethod
    def replace(self, before: Tenant, after: Tenant) -> None:
        """Store the changes of a tenant, if the stored one has the status that was read.

        Raises:
            ConcurrencyConflict: Its status is no longer that of `before`.
        """

    @abstractmethod
    def all(self) -> Sequence[Tenant]:
        """Return the tenants in any status, by their names."""
