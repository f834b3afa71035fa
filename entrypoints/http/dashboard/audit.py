"""The page of the tenant's audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from urllib.parse import urlencode

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from application.lists import AuditFilter
from domain.audit import Act
from domain.caller import Caller, Scope
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import read_entry_cursor, write_entry_cursor

_PAGE = "/dashboard/audit"
_PAGE_SIZE = 50
PERIODS: Mapping[str, timedelta] = MappingProxyType(
    {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
)


@dataclass(frozen=True, slots=True)
class AuditForm:
    """The filters that a visitor chose. Values that a list does not offer are ignored."""

    act: str = ""
    principal: str = ""
    period: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, request: AnyRequest) -> "AuditForm":
        """Read the filters from the URL."""
        return cls(**{name: request.query_params.get(name, "").strip() for name in cls.__slots__})

    @property
    def narrows(self) -> bool:
        """Whether any filter is chosen."""
        return any((self.act, self.principal, self.period))

    def filter(self, caller: Caller, now: datetime) -> AuditFilter:
        """Return the chosen filters for the tenant's entries.

        Raises:
            InvalidValue: The cursor is not from this page.
        """
        period = PERIODS.get(self.period)
        return AuditFilter(
            limit=_PAGE_SIZE,
            tenant=caller.tenant.name,
            act=self.act if self.act in set(Act) else None,
            principal=self.principal or None,
            since=None if period is None else now - period,
            cursor=read_entry_cursor(self.cursor) if self.cursor else None,
        )

    def url(self, *, part: bool = False, cursor: str = "") -> str:
        """Return the URL with the chosen filters, at a cursor."""
        chosen = {name: getattr(self, name) for name in self.__slots__} | {"cursor": cursor}
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"{_PAGE}{'/list' if part else ''}" + (f"?{query}" if query else "")


class AuditPages(Controller):
    """The tenant's entries, newest first."""

    path = "/audit"
    opt = {"scope": Scope.KEYS_WRITE}  # noqa: RUF012 - as in the framework

    @get(sync_to_thread=True)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the log."""
        context = {"acts": tuple(Act), "periods": tuple(PERIODS), "version": ""}
        return pages.page(request, "audit.html", {**context, **_context(request, caller, api)})

    @get("/list", sync_to_thread=True)
    def refresh(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the entries; the filters become part of the page's URL."""
        chosen = AuditForm.of(request)
        is_refresh = "seen" in request.query_params
        headers = {} if is_refresh else {"HX-Push-Url": chosen.url(cursor=chosen.cursor)}
        return pages.part(request, "_audit.html", _context(request, caller, api), headers)


def _context(request: AnyRequest, caller: Caller, api: Api) -> dict[str, object]:
    chosen = AuditForm.of(request)
    page = api.services.audit_reader.page(caller, chosen.filter(caller, api.clock.now()))
    older = None if page.next is None else write_entry_cursor(page.next)
    return {
        "chosen": chosen,
        "entries": [linked.row for linked in page.entries],
        "here": chosen.url(part=True, cursor=chosen.cursor),
        "newest": chosen.url(),
        "newest_part": chosen.url(part=True),
        "older": older and chosen.url(cursor=older),
        "older_part": older and chosen.url(part=True, cursor=older),
    }
