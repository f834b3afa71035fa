"""The audit log, and the usage by day and project."""

from typing import Annotated, TypeAlias

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from application.lists import AuditFilter
from application.queries.audit_reader import DEFAULT_DAYS, DEFAULT_ENTRIES, MAX_DAYS, MAX_ENTRIES
from domain.audit import Act
from domain.caller import Caller, Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import JsonRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import (
    CursorText,
    existing_tenant,
    link_to_next,
    parse_day,
    parse_time,
    read_day_cursor,
    read_entry_cursor,
    write_day_cursor,
    write_entry_cursor,
)
from entrypoints.http.schemas.audit import (
    AuditEntryResponse,
    DayUsageResponse,
    QuotaResponse,
    QuotaUseResponse,
)

_Limit: TypeAlias = Annotated[
    int,
    QueryParameter(
        description="Maximum number of items.", schema_extra={"minimum": 0, "maximum": MAX_ENTRIES}
    ),
]
_Tenant: TypeAlias = Annotated[
    str | None, QueryParameter(description="The tenant; a tenant other than the caller's requires `admin`.")
]
_Act: TypeAlias = Annotated[
    str | None, QueryParameter(description="Entries with this action.", schema_extra={"enum": list(Act)})
]
_Principal: TypeAlias = Annotated[
    str | None, QueryParameter(description="Entries of this principal, such as `key:<key_id>`.")
]
_Since: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Entries at or after this time, in RFC 3339 with an offset.",
        schema_extra={"format": "date-time"},
    ),
]
_Until: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description="Entries before this time, in RFC 3339 with an offset.",
        schema_extra={"format": "date-time"},
    ),
]
_FirstDay: TypeAlias = Annotated[
    str | None,
    QueryParameter(
        description=f"The first day of UTC; {DEFAULT_DAYS} days without it, {MAX_DAYS} at most.",
        schema_extra={"format": "date"},
    ),
]
_LastDay: TypeAlias = Annotated[
    str | None,
    QueryParameter(description="The last UTC day; today by default.", schema_extra={"format": "date"}),
]
_Project: TypeAlias = Annotated[str | None, QueryParameter(description="The project, by name or id.")]


class AuditController(Controller):
    """The audit log."""

    path = "/audit"
    tags = ("Audit",)

    @get(
        sync_to_thread=True,
        **openapi_docs(
            "listAuditEntries",
            "List audit entries",
            "Newest first, in pages like lists of jobs. An entry appears about a second after its action. "
            "Without `tenant`, an administrator gets the entries of all tenants.",
            headers=("Link",),
            scope=Scope.KEYS_WRITE,
            problems=(404,),
        ),
    )
    def list_all(
        self,
        request: JsonRequest,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        tenant: _Tenant = None,
        act: _Act = None,
        principal: _Principal = None,
        since: _Since = None,
        until: _Until = None,
        limit: _Limit = DEFAULT_ENTRIES,
        cursor: CursorText = None,
    ) -> Response[list[AuditEntryResponse]]:
        """List audit entries."""
        wanted = AuditFilter(
            limit=limit,
            tenant=None if tenant is None else existing_tenant(tenant),
            act=act,
            principal=principal,
            since=parse_time("since", since),
            until=parse_time("until", until),
            cursor=None if cursor is None else read_entry_cursor(cursor),
        )
        page = api.services.audit_reader.page(caller, wanted)
        following = None if page.next is None else write_entry_cursor(page.next)
        return Response(
            [AuditEntryResponse.of(linked) for linked in page.entries],
            headers=link_to_next(request, following),
        )


class UsageController(Controller):
    """The use of the service."""

    path = "/usage"
    tags = ("Audit",)

    @get(
        sync_to_thread=True,
        **openapi_docs(
            "listUsage",
            "List usage by day and project",
            "Usage of the tenant, latest day first, in pages. Actions of about the last second are not "
            "included.",
            headers=("Link",),
            scope=Scope.JOBS_READ,
            problems=(404,),
        ),
    )
    def list_all(
        self,
        request: JsonRequest,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        tenant: _Tenant = None,
        project: _Project = None,
        since: _FirstDay = None,
        until: _LastDay = None,
        limit: _Limit = DEFAULT_ENTRIES,
        cursor: CursorText = None,
    ) -> Response[list[DayUsageResponse]]:
        """List the usage by day and project."""
        services = api.services
        caller = _within(caller, api, tenant)
        page = services.usage_reader.by_day(
            caller,
            project=None if project is None else services.project_reader.get(caller, project).id,
            since=parse_day("since", since),
            until=parse_day("until", until),
            limit=limit,
            cursor=None if cursor is None else read_day_cursor(cursor),
        )
        following = None if page.next is None else write_day_cursor(*page.next)
        return Response(
            [DayUsageResponse.of_day(day) for day in page.days], headers=link_to_next(request, following)
        )

    @get(
        "/quota",
        sync_to_thread=True,
        **openapi_docs(
            "getQuotaUse",
            "Get quotas and their usage",
            "The limits of the tenant with their current usage: of today (UTC), or at this moment.",
            scope=Scope.JOBS_READ,
            problems=(404,),
        ),
    )
    def quota(
        self, caller: NamedDependency[Caller], api: NamedDependency[Api], tenant: _Tenant = None
    ) -> QuotaResponse:
        """Get the quotas in force and their use."""
        caller = _within(caller, api, tenant)
        name = caller.tenant.name
        in_force = api.services.usage_reader.of_quota(caller)
        elsewhere = {"streams": api.notifier.number_of(name)}
        return QuotaResponse(
            tenant=name.value,
            quota={
                quota: QuotaUseResponse(used=elsewhere.get(quota, use.used), allowed=use.allowed)
                for quota, use in in_force.items()
            },
        )


def _within(caller: Caller, api: Api, tenant: str | None) -> Caller:
    """Return the caller with the tenant whose usage it reads, by default its own."""
    if tenant is None:
        return caller
    name = existing_tenant(tenant)
    caller.require_tenant(name)
    return caller.within(api.services.tenant_reader.get(name))
