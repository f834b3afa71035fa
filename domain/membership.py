"""The tenant and the rights of a user, from the claims of its identity."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from domain.caller import Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue, MembershipRefused
from domain.tenant import TenantName

_VIEWER = frozenset({Scope.JOBS_READ, Scope.LOGS_READ, Scope.CLUSTER_READ})
_DEVELOPER = _VIEWER | {Scope.JOBS_WRITE, Scope.PROJECTS_WRITE}
ROLES: Mapping[str, frozenset[Scope]] = MappingProxyType(
    {
        "viewer": _VIEWER,
        "developer": _DEVELOPER,
        "maintainer": _DEVELOPER | {Scope.KEYS_WRITE},
        "admin": frozenset(Scope),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A user's tenant, and its rights there."""

    tenant: TenantName
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class MembershipRules:
    """Rules that map claims to a tenant and roles.

    A claim has one value or a list of values. It is named as by the identity provider, or by a path through
    objects, such as `realm_access.roles`.

    Attributes:
        tenants: Tenants by claim value. If it is empty, the value itself is a tenant's name.
        roles: Names in `ROLES` by claim value. If it is empty, the value itself is a role's name.
    """

    tenant_claim: str
    role_claim: str
    tenants: Mapping[str, str] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)

    def membership(self, claims: Mapping[str, Any]) -> Membership:
        """Return a user's tenant, and the union of the rights of its roles.

        Raises:
            MembershipRefused: Its claims name no tenant, several tenants, or no role.
        """
        tenants = {self._tenant(value) for value in _values(claims, self.tenant_claim)} - {None}
        named = [self._role(value) for value in _values(claims, self.role_claim)]
        roles = [role for role in named if role in ROLES]
        if len(tenants) != 1:
            number = "several tenants" if tenants else "no tenant"
            raise MembershipRefused(
                f"the claim '{self.tenant_claim}' of your identity names {number} of this service"
            )
        if not roles:
            raise MembershipRefused(
                text("problems.claim_without_role", claim=self.role_claim, roles=", ".join(ROLES))
            )
        tenant = next(name for name in tenants if name is not None)
        return Membership(tenant=tenant, scopes=frozenset[Scope]().union(*(ROLES[role] for role in roles)))

    def _tenant(self, value: str) -> TenantName | None:
        name = self.tenants.get(value) if self.tenants else value
        try:
            return None if name is None else TenantName(name)
        except InvalidValue:
            return None

    def _role(self, value: str) -> str:
        return self.roles.get(value, "") if self.roles else value


def _values(claims: Mapping[str, Any], name: str) -> list[str]:
    """Return the string values of a claim."""
    found: Any = claims.get(name)
    if found is None:
        found = claims
        for step in name.split("."):
            found = found.get(step) if isinstance(found, Mapping) else None
    values = found if isinstance(found, list) else [found]
    return [value for value in values if isinstance(value, str)]
