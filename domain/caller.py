"""The caller of a request, and its rights."""

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
    """The caller of a request. It can only read and change its own tenant's data.

    Attributes:
        tenant: Its tenant, at most some seconds old.
        principal: Its name in records: `key:<id>`, `user:<subject>`, `anonymous`, or a command's.
        project: The only project that it can access; None for all projects of its tenant.
        expires_at: When its key expires; None for never, or without a key.
        requests_per_s: The rate limit of its key; None if only its tenant's limit applies.
        address: Its network address, if known.
        idempotency: The request, if it has an idempotency key.
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
        """Require a scope.

        Raises:
            ScopeMissing: The caller has neither the scope nor ADMIN.
        """
        if not self.has(scope):
            raise ScopeMissing(scope)

    def has(self, scope: Scope) -> bool:
        """Whether the caller has a scope, itself or through ADMIN."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require_tenant(self, name: TenantName) -> None:
        """Require that a tenant is the caller's own, unless the caller has ADMIN.

        Raises:
            ScopeMissing: It is another tenant, and the caller lacks ADMIN.
        """
        if name != self.tenant.name:
            self.require(Scope.ADMIN)

    def within(self, tenant: Tenant) -> Self:
        """Return the caller acting in a tenant: its own, re-read, or another one.

        Raises:
            ScopeMissing: It is another tenant, and the caller lacks ADMIN.
        """
        self.require_tenant(tenant.name)
        return replace(self, tenant=tenant)

    def reaches(self, project: ProjectId) -> bool:
        """Whether the caller can access a project of its tenant."""
        return self.project is None or self.project == project


# The principal of callers while no keys are required.
ANONYMOUS = "anonymous"
# All scopes except for the administration of keys and tenants, which requires a key.
ANONYMOUS_SCOPES = frozenset(Scope) - {Scope.KEYS_WRITE, Scope.ADMIN}


def anonymous(tenant: Tenant, address: str | None = None) -> Caller:
    """Return the caller of every request while no keys are required."""
    return Caller(tenant=tenant, principal=ANONYMOUS, scopes=ANONYMOUS_SCOPES, address=address)
