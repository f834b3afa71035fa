"""Callers for tests."""

from datetime import UTC, datetime

from domain.caller import Caller, Scope, anonymous
from domain.quota import UNLIMITED, Quota
from domain.tenant import DEFAULT_TENANT, Tenant, TenantName, TenantStatus
from domain.values import ProjectId

_CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_tenant(
    name: str = "acme", status: TenantStatus = TenantStatus.ACTIVE, quota: Quota = UNLIMITED
) -> Tenant:
    """Return a tenant."""
    return Tenant(name=TenantName(name), status=status, created_at=_CREATED_AT, quota=quota)


def a_caller(
    tenant: str = "acme",
    *,
    status: TenantStatus = TenantStatus.ACTIVE,
    quota: Quota = UNLIMITED,
    scopes: frozenset[Scope] = frozenset(Scope),
    project: ProjectId | None = None,
) -> Caller:
    """Return a caller, by default with all scopes."""
    return Caller(
        tenant=a_tenant(tenant, status, quota), principal=f"key:{tenant}", scopes=scopes, project=project
    )


# The caller of services that need no keys.
ANONYMOUS = anonymous(a_tenant(DEFAULT_TENANT.value))
