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

    requests_per_s: Annotated[int | None, Meta(description="Requests a second, on average.")] = None
    running: Annotated[int | None, Meta(description="Executions that run at once; more wait.")] = None
    waiting: Annotated[int | None, Meta(description="Executions that wait at once.")] = None
    uploads_per_day: Annotated[int | None, Meta(description="Uploads in a day of UTC.")] = None
    cpu_seconds_per_day: Annotated[
        int | None, Meta(description="Processor time of programs in a day of UTC, in seconds.")
    ] = None
    stored_bytes: Annotated[int | None, Meta(description="Bytes of code and logs.")] = None
    max_priority: Annotated[int | None, Meta(description="The highest priority of a job.")] = None
    streams: Annotated[int | None, Meta(description="Streams and waiting requests at once.")] = None
    webhooks: Annotated[int | None, Meta(description="Subscriptions to events.")] = None

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
            description="Its name: a label of a host name in lower case, which is never given anew.",
            examples=["acme"],
        ),
    ]
    quota: Annotated[QuotaRequest | None, Meta(description="Its quota; none by default.")] = None


class ChosenStatus(StrEnum):
    """A status that is set by name; a tenant becomes DELETED by DELETE alone."""

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"


class TenantChange(Struct, kw_only=True, forbid_unknown_fields=True):
    """A change of a tenant."""

    status: Annotated[ChosenStatus, Meta(description="A suspended tenant reads, cancels, starts nothing.")]


class TenantResponse(Struct, kw_only=True):
    """A tenant."""

    tenant: Annotated[str, Meta(examples=["acme"])]
    status: TenantStatus
    created_at: datetime
    quota: Annotated[dict[str, int], Meta(description="The bounds that there are, by their names.")]

    @classmethod
    def of(cls, tenant: Tenant) -> Self:
        """Present a tenant."""
        return cls(
            tenant=tenant.name.value,
            status=tenant.status,
            created_at=tenant.created_at,
            quota=tenant.quota.figures(),
        )
