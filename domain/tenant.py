"""A tenant and its life.

ACTIVE ──suspend──> SUSPENDED ──delete──> DELETED
   │  <──resume────     │
   └──────delete────────┴───────────────> DELETED
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from domain.catalogue.text import text
from domain.errors import InvalidValue, TenantTransitionRefused
from domain.quota import UNLIMITED, Quota

# A label of a host name (RFC 1123, 2.1) in lower case, which is safe in object keys, URLs and log lines.
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
TENANT_NAME_MAX_CHARS = 63


@dataclass(frozen=True, slots=True)
class TenantName:
    """A tenant's name. It is never reused, even after the tenant is deleted.

    Raises:
        InvalidValue: It is not a label of a host name in lower case.
    """

    value: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.value):
            raise InvalidValue(
                "tenant",
                text("problems.tenant_name", maximum=TENANT_NAME_MAX_CHARS),
            )

    def __str__(self) -> str:
        return self.value

    @property
    def key_prefix(self) -> str:
        """The prefix of the keys of the tenant's objects; empty for the default tenant.

        The code of the default tenant has keys of two segments, so that none begins with another tenant's
        prefix.
        """
        return "" if self == DEFAULT_TENANT else f"tenants/{self.value}/"


# The owner of everything from before tenants existed, and of everything while no keys are required.
DEFAULT_TENANT = TenantName("default")


class TenantStatus(StrEnum):
    """Whether a tenant may start work (ACTIVE), only read and cancel (SUSPENDED), or is gone (DELETED)."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DELETED = "DELETED"


class TenantTrigger(StrEnum):
    """Causes of a transition."""

    SUSPEND = "suspend"
    RESUME = "resume"
    DELETE = "delete"


# A pair without a row is refused. A trigger for the present status changes nothing.
TRANSITIONS: dict[tuple[TenantStatus, TenantTrigger], TenantStatus] = {
    (TenantStatus.ACTIVE, TenantTrigger.SUSPEND): TenantStatus.SUSPENDED,
    (TenantStatus.ACTIVE, TenantTrigger.RESUME): TenantStatus.ACTIVE,
    (TenantStatus.ACTIVE, TenantTrigger.DELETE): TenantStatus.DELETED,
    (TenantStatus.SUSPENDED, TenantTrigger.SUSPEND): TenantStatus.SUSPENDED,
    (TenantStatus.SUSPENDED, TenantTrigger.RESUME): TenantStatus.ACTIVE,
    (TenantStatus.SUSPENDED, TenantTrigger.DELETE): TenantStatus.DELETED,
    (TenantStatus.DELETED, TenantTrigger.DELETE): TenantStatus.DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """An owner of projects, jobs and keys, isolated from all others."""

    name: TenantName
    status: TenantStatus
    created_at: datetime
    quota: Quota = UNLIMITED

    def apply(self, trigger: TenantTrigger) -> Self:
        """Change the tenant's status as the trigger requests.

        Raises:
            TenantTransitionRefused: The status forbids the trigger, or the trigger would delete the default
                tenant.
        """
        to = TRANSITIONS.get((self.status, trigger))
        if to is None:
            raise TenantTransitionRefused(
                text("problems.tenant_transition", trigger=trigger, status=self.status)
            )
        if to is TenantStatus.DELETED and self.name == DEFAULT_TENANT:
            raise TenantTransitionRefused(text("problems.tenant_cannot_be_deleted", name=self.name))
        return replace(self, status=to)

    def ensure_active(self) -> None:
        """Require that the tenant is active.

        Raises:
            TenantTransitionRefused: The tenant is suspended or deleted.
        """
        if self.status is not TenantStatus.ACTIVE:
            raise TenantTransitionRefused(
                text("problems.tenant_takes_no_work", name=self.name, status=self.status)
            )
