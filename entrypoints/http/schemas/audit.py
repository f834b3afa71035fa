"""Schemas of audit entries and usage."""

from datetime import date, datetime
from typing import Annotated, Self

from msgspec import Meta, Struct

from application.views import DayUsage
from domain.audit import DONE, Act, LedgerEntry, Usage


class UsageResponse(Struct, kw_only=True):
    """Use of the service."""

    uploads: int
    executions: int
    cpu_ms: Annotated[int, Meta(description="CPU time of programs that have ended, in milliseconds.")]
    stored_bytes: Annotated[
        int, Meta(description="Bytes of code and logs; negative if more was deleted than stored.")
    ]

    @classmethod
    def of(cls, usage: Usage) -> Self:
        """Present usage."""
        return cls(
            uploads=usage.uploads,
            executions=usage.executions,
            cpu_ms=usage.cpu_ms,
            stored_bytes=usage.stored_bytes,
        )


class AuditEntryResponse(Struct, kw_only=True):
    """An entry of the audit log."""

    sequence: Annotated[
        int,
        Meta(
            description="The number of the entry in the chain, which starts at 1 and includes entries "
            "of all tenants."
        ),
    ]
    at: datetime
    tenant: Annotated[
        str | None, Meta(description="The caller's tenant; null if the caller was not authenticated.")
    ]
    principal: Annotated[str, Meta(examples=["key:01890a5d-ac96-774b-bcce-b302099a8057"])]
    address: str | None
    act: Annotated[str, Meta(description=f"One of {', '.join(Act)}.", examples=[Act.JOB_UPLOAD])]
    subject: Annotated[str, Meta(description="The id or name of the job, project, key or tenant.")]
    outcome: Annotated[str, Meta(description=f"`{DONE}`, or the kind of the refusal.")]
    request_id: str | None
    project_id: int | None
    usage: UsageResponse
    left_out: Annotated[
        int,
        Meta(description="The number of refusals without an entry of their own that this entry represents."),
    ]
    hash: Annotated[str, Meta(description="SHA-256 of the entry and the hash of the previous entry.")]

    @classmethod
    def of(cls, linked: LedgerEntry) -> Self:
        """Present an entry."""
        row = linked.row
        return cls(
            sequence=linked.link.sequence,
            at=row.time,
            tenant=row.tenant,
            principal=row.principal,
            address=row.address,
            act=row.act,
            subject=row.subject,
            outcome=row.outcome,
            request_id=row.request_id,
            project_id=row.project_id,
            usage=UsageResponse.of(row.usage),
            left_out=row.left_out,
            hash=linked.link.hash,
        )


class QuotaUseResponse(Struct, kw_only=True):
    """A quota in force, and its use."""

    used: Annotated[
        int | None, Meta(description="Current usage; null for limits of single requests and for rates.")
    ]
    allowed: int


class QuotaResponse(Struct, kw_only=True):
    """The quotas in force for a tenant, by name."""

    tenant: str
    quota: Annotated[
        dict[str, QuotaUseResponse], Meta(examples=[{"uploads_per_day": {"used": 7, "allowed": 1000}}])
    ]


class DayUsageResponse(UsageResponse, kw_only=True):
    """The usage of a project on one day in UTC."""

    day: date
    project_id: int
    project: Annotated[str | None, Meta(description="The project's name; null if it was purged.")]

    @classmethod
    def of_day(cls, day: DayUsage) -> Self:
        """Present the usage of a day."""
        return cls(
            day=day.day,
            project_id=day.project_id,
            project=day.project,
            uploads=day.usage.uploads,
            executions=day.usage.executions,
            cpu_ms=day.usage.cpu_ms,
            stored_bytes=day.usage.stored_bytes,
        )
