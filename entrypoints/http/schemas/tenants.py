"""Schemas of tenants and quotas."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from msgspec import Meta, Struct
from msgspec.structs import asdict

from domain.quota import Quota
from domain.tenant import Tenant, TenantStatus
from entrypoints.http.schemas.requests import RequestedLimits


class QuotaRequest(RequestedLimits, kw_only=True, forbid_unknown_fields=True):
    """The limits of a tenant's use, including the maximum limits of its executions.

    A missing or null figure is no limit.
    """

    requests_per_s: Annotated[int | None, Meta(description="Maximum requests per second, on average.")] = None
    running: Annotated[
        int | None, Meta(description="Maximum number of executions that run at once; others wait.")
    ] = None
    waiting: Annotated[int | None, Meta(description="Maximum number of waiting executions.")] = None
    uploads_per_day: Annotated[int | None, Meta(description="Maximum uploads per UTC day.")] = None
    cpu_seconds_per_day: Annotated[
        int | None, Meta(description="Maximum CPU time of programs per UTC day, in seconds.")
    ] = None
    stored_bytes: Annotated[int | None, Meta(description="Maximum stored bytes of code, files and logs.")] = (
        None
    )
    max_priority: Annotated[int | None, Meta(description="The highest priority of a job.")] = None
    streams: Annotated[
        int | None, Meta(description="Maximum number of simultaneous streams and long polls.")
    ] = None
    webhooks: Annotated[int | None, Meta(description="Maximum number of webhooks.")] = None

    def quota(self) -> Quota:
        """Return the quota.

        Raises:
            InvalidValue: A figure violates its rule.
        """
        return Quota.of(asdict(self))


class TenantRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A tenant to create."""

    tenant: Annotated[
        str,
        Meta(
            description="The tenant's name, in the form of a DNS label in lower case. Names of deleted "
            "tenants cannot be reused.",
            examples=["acme"],
        ),
    ]
    quota: Annotated[
        QuotaRequest | None, Meta(description="The tenant's quota; by default, it has none.")
    ] = None


class ChosenStatus(StrEnum):
    """A status that is set by name; a tenant becomes DELETED by DELETE alone."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class TenantChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """A change of a tenant."""

    status: Annotated[
        ChosenStatus, Meta(description="A suspended tenant can read and cancel, but cannot start jobs.")
    ]


class TenantResponse(Struct, kw_only=True):
    """A tenant."""

    tenant: Annotated[str, Meta(examples=["acme"])]
    status: TenantStatus
    created_at: datetime
    quota: Annotated[dict[str, int], Meta(description="The limits that are set, by name.")]

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Present a tenant."""
        return cls(
            tenant=tenant.name.value,
            status=tenant.status,
            created_at=tenant.created_at,
            quota=tenant.quota.figures(),
        )
