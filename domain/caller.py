"""A caller: who makes a request, and the reach of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from domain.errors import ScopeMissing
from domain.idempotency import IdempotentRequest
from domain.tenant import Tenant, TenantName
from domain.values import ProjectId


class Scope(StrEnum):
    """A right of a caller in its tenant. ADMIN has them all, and manages tenants."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    PROJECTS_WRITE = "projects:write"
    LOGS_READ = "logs:read"
    CLUSTER_READ = "cluster:read"
    KEYS_WRITE = "keys:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes a request. All that it reads and changes is its tenant's.

    Attributes:
        tenant: As it was some seconds ago at most.
        principal: Its name in records: `key:<id>`, `user:<subject>`, `anonymous`, or a command's.
        project: The only project that it reaches; None for all of its tenant's.
        expires_at: When its key expires; None for never, and for a caller without a key.
        requests_per_s: Requests a second of its key; None for no bound but its tenant's.
        address: The network address that it calls from, if it is known.
        idempotency: The request that it makes, if it makes it under an idempotency key.
    """

    tenant: Tenant
    principal: str
    scopes: frozenset[Scope]
    project: ProjectId | None = None
    expires_at: datetime | None = None
    requests_per_s: int | None = None
    address: str | None = None
    idempotency: IdempotentRequest | None = None

    def require(self, scope: Scope) -> None:
        """Refuse an act that the caller has no right to.

        Raises:
            ScopeMissing: It has neither the scope nor ADMIN.
        """
        if not self.has(scope):
            raise ScopeMissing(scope)

    def has(self, scope: Scope) -> bool:
        """Whether the caller has a right: by its scope, or by ADMIN."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require_tenant(self, name: TenantName) -> None:
        """Refuse an act in another tenant.

        Raises:
            ScopeMissing: It is not the caller's own, and the caller lacks ADMIN.
        """
        if name != self.tenant.name:
            self.require(Scope.ADMIN)

    def within(self, tenant: Tenant) -> Self:
        """Return the caller as it acts in a tenant, its own as that is now, or another.

        Raises:
            ScopeMissing: It is not the caller's own, and the caller lacks ADMIN.
        """
        self.require_tenant(tenant.name)
        return replace(self, tenant=tenant)

    def reaches(self, project: ProjectId) -> bool:
        """Whether a project of the caller's tenant is within its reach."""
        return self.project is None or self.project == project


# The principal while callers are not asked for keys.
ANONYMOUS = "anonymous"
# All but the administration of keys and tenants, which takes a key.
ANONYMOUS_SCOPES = frozenset(Scope) - {Scope.KEYS_WRITE, Scope.ADMIN}


def anonymous(tenant: Tenant, address: str | None = None) -> Caller:
    """Return the caller of every request while callers are not asked for keys."""
    return Caller(tenant=tenant, principal=ANONYMOUS, scopes=ANONYMOUS_SCOPES, address=address)
