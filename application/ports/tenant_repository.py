"""The port to stored tenants."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from application.errors import NotFound
from domain.tenant import Tenant, TenantName


class TenantRepository(ABC):
    """The tenants, including deleted ones, because names are never reused."""

    @abstractmethod
    def get(self, name: TenantName) -> Tenant | None:
        """Return the tenant with a name, in any status, or None."""

    def get_or_raise(self, name: TenantName) -> Tenant:
        """Return the tenant with a name, in any status.

        Raises:
            NotFound: There is no such tenant.
        """
        tenant = self.get(name)
        if tenant is None:
            raise NotFound("tenant", name)
        return tenant

    @abstractmethod
    def lock(self, name: TenantName) -> Tenant | None:
        """Return the tenant with a name, locked against other transactions until this one ends."""

    def lock_or_raise(self, name: TenantName) -> Tenant:
        """Return the tenant with a name, in any status, locked.

        Raises:
            NotFound: There is no such tenant.
        """
        tenant = self.lock(name)
        if tenant is None:
            raise NotFound("tenant", name)
        return tenant

    @abstractmethod
    def add(self, tenant: Tenant) -> None:
        """Store a new tenant.

        Raises:
            Conflict: The name is or was that of another tenant.
        """

    @abstractmethod
    def replace(self, before: Tenant, after: Tenant) -> None:
        """Store a changed tenant, if the stored tenant has not changed since it was read.

        Raises:
            ConcurrencyConflict: Its status differs from `before`.
        """

    @abstractmethod
    def all(self) -> Sequence[Tenant]:
        """Return the tenants in any status, sorted by name."""
