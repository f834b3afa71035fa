"""The page of the tenant's usage by day and project, compared with its quotas."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from application.queries.audit_reader import MAX_ENTRIES, UsageReader
from application.views import DayUsage
from domain.audit import NO_USAGE, Usage
from domain.caller import Caller, Scope
from domain.catalogue.figures import duration, limit_figure, size
from domain.catalogue.text import Text, text
from entrypoints.http.dashboard import formatting
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dashboard.retention import retention_sentence
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

DAYS: Mapping[str, int] = MappingProxyType({"week": 7, "14_days": 14, "30_days": 30})
_DEFAULT_DAYS = 30
# The maximum number of result pages that the charts add up.
_MAX_PAGES = 10
_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaMeter:
    """The use of a quota; `allowed` and `percent` are empty if there is no limit."""

    name: Text
    used: str
    allowed: str
    percent: float | None

    @property
    def is_reached(self) -> bool:
        """Whether the quota is used up."""
        return self.percent is not None and self.percent >= 100  # noqa: PLR2004 - percent


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of the usage: its name, its value, and its format."""

    name: Text
    value: Callable[[Usage], int]
    text: Callable[[int], str]


_FIGURES = (
    Figure(text("account.uploads"), lambda usage: usage.uploads, formatting.count_all),
    Figure(text("account.executions"), lambda usage: usage.executions, formatting.count_all),
    Figure(text("account.cpu_time"), lambda usage: usage.cpu_ms, duration),
    Figure(text("account.storage"), lambda usage: usage.stored_bytes, formatting.signed_size),
)


class UsagePages(Controller):
    """The usage of the tenant."""

    path = "/usage"
    opt = {"scope": Scope.JOBS_READ}  # noqa: RUF012 - as in the framework

    @get(sync_to_thread=True)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the usage."""
        period = request.query_params.get("period", "")
        days = DAYS.get(period, _DEFAULT_DAYS)
        until = api.clock.now().date()
        rows = list(_rows(api.services.usage_reader, caller, until - timedelta(days=days - 1), until))
        context = {
            "charts": _charts(rows, days, until),
            "figures": _FIGURES,
            "rows": rows[:_SHOWN],
            "hidden": max(len(rows) - _SHOWN, 0),
            "periods": tuple(DAYS),
            "period": period if period in DAYS else "30_days",
            "days": days,
            "version": "",
            "retention": retention_sentence(api.services.retention_reader.of_tenant(caller.tenant.name)),
            **_meters(caller, api),
        }
        return pages.page(request, "usage.html", context)

    @get("/quotas", sync_to_thread=True)
    def refresh(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the quotas."""
        return pages.part(request, "_quotas.html", _meters(caller, api))


def _rows(reader: UsageReader, caller: Caller, since: date, until: date) -> Iterator[DayUsage]:
    cursor = None
    for _ in range(_MAX_PAGES):
        page = reader.by_day(caller, since=since, until=until, limit=MAX_ENTRIES, cursor=cursor)
        yield from page.days
        cursor = page.next
        if cursor is None:
            return


def _charts(
    rows: Sequence[DayUsage], days: int, until: date
) -> Sequence[tuple[Figure, str, Sequence[int], Text]]:
    """Return each figure with its sum, its values by day and the label of its chart."""
    by_day = {until - timedelta(days=ago): NO_USAGE for ago in range(days - 1, -1, -1)}
    for row in rows:
        by_day[row.day] = by_day.get(row.day, NO_USAGE) + row.usage
    charts = []
    for figure in _FIGURES:
        values = [figure.value(usage) for usage in by_day.values()]
        total = figure.text(sum(values))
        written = ", ".join(map(figure.text, values))
        label = text("account.figure_chart", figure=figure.name, days=days, values=written)
        charts.append((figure, total, [max(value, 0) for value in values], label))
    return charts


def _meters(caller: Caller, api: Api) -> dict[str, object]:
    quota = caller.tenant.quota
    today = api.services.usage_reader.today(caller)
    running, waiting = api.services.usage_reader.executions(caller)
    cpu_ms = None if quota.cpu_seconds_per_day is None else quota.cpu_seconds_per_day * 1_000
    meters = (
        _meter(text("account.quota_running"), running, quota.running, formatting.count_all),
        _meter(text("account.quota_waiting"), waiting, quota.waiting, formatting.count),
        _meter(text("account.uploads_today"), today.uploads, quota.uploads_per_day, formatting.count_all),
        _meter(text("account.cpu_time_today"), today.cpu_ms, cpu_ms, duration),
        _meter(text("account.storage"), max(today.stored_bytes, 0), quota.stored_bytes, size),
    )
    others = [
        (text("account.requests_per_s"), quota.requests_per_s),
        (text("account.streams"), quota.streams),
        (text("account.max_priority"), quota.max_priority),
        *((text(f"limits.{name}"), limit_figure(name, largest)) for name, largest in quota.limits.items()),
    ]
    return {"meters": meters, "others": [(name, bound) for name, bound in others if bound is not None]}


def _meter(name: Text, used: int, allowed: int | None, write: Callable[[int], str]) -> QuotaMeter:
    if allowed is None:
        return QuotaMeter(name=name, used=write(used), allowed="", percent=None)
    percent = 100.0 if used >= allowed else round(used / allowed * 100, 1)
    return QuotaMeter(name=name, used=write(used), allowed=write(allowed), percent=percent)
