"""Reads of the audit log, and of the usage computed from it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from application.lists import AuditCursor, AuditFilter, FoundEntries, UsageFilter
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.views import DayUsage, QuotaUse
from domain.audit import ChainLink, EntryRow, LedgerEntry, Usage
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.tenant import TenantName
from domain.values import ProjectId

DEFAULT_ENTRIES = 100
MAX_ENTRIES = 1_000
DEFAULT_DAYS = 30
MAX_DAYS = 366
_BATCH = 1_000
_COUNTED_WAITING = 10_001


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of entries, and where the next one begins, if there is one."""

    entries: Sequence[LedgerEntry]
    next: AuditCursor | None


class AuditReader:
    """Reads the audit log.

    * A caller can read the entries of its tenant, or only those of its project if it is restricted to one.
    * An administrator can read the entries of any tenant, and of all tenants together.
    """

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    def page(self, caller: Caller, wanted: AuditFilter) -> AuditPage:
        """Return a page of entries, newest first; for administrators who name no tenant, of all tenants.

        Raises:
            ScopeMissing: The filter names another tenant, and the caller lacks ADMIN.
            InvalidValue: The limit is out of range.
        """
        _check_limit(wanted.limit)
        if wanted.limit == 0:
            return AuditPage((), None)
        is_of_all = wanted.tenant is None and Scope.ADMIN in caller.scopes and caller.project is None
        tenant = None if is_of_all else wanted.tenant or caller.tenant.name
        if tenant is not None:
            caller.require_tenant(tenant)
        # One more than requested shows whether there is a next page.
        one_more = replace(wanted, tenant=tenant, project_id=caller.project, limit=wanted.limit + 1)
        found = self._unit_of_work.read(lambda transaction: transaction.audit.page(one_more))
        return _page(found, wanted.limit)

    def ledger(self, after: int = 0, tenant: TenantName | None = None) -> Iterator[LedgerEntry]:
        """Yield the ledger in order, for administrators.

        Args:
            after: The number before the first entry.
            tenant: The tenant of the entries; None for all.
        """
        while batch := self._read_linked(after, tenant):
            yield from batch
            after = batch[-1].link.sequence

    def head(self) -> ChainLink:
        """Return the latest link of the chain."""
        return self._unit_of_work.read(lambda transaction: transaction.audit.head())

    def start(self) -> ChainLink:
        """Return the link before the first entry of the ledger."""
        return self._unit_of_work.read(lambda transaction: transaction.audit.start())

    def journal(self, limit: int) -> Sequence[EntryRow]:
        """Return entries that are not yet in the ledger, for administrators."""
        waiting = self._unit_of_work.read(lambda transaction: transaction.audit.waiting(limit))
        return [entry.row() for entry in waiting]

    def _read_linked(self, after: int, tenant: TenantName | None) -> Sequence[LedgerEntry]:
        return self._unit_of_work.read(lambda transaction: transaction.audit.linked(after, _BATCH, tenant))


def _check_limit(limit: int) -> None:
    if not 0 <= limit <= MAX_ENTRIES:
        raise InvalidValue("limit", text("problems.from_0", maximum=MAX_ENTRIES))


def _page(found: FoundEntries, limit: int) -> AuditPage:
    entries = found.entries[:limit]
    if len(found.entries) > limit:
        last = entries[-1]
        return AuditPage(entries, AuditCursor(last.row.time, last.link.sequence))
    return AuditPage(entries, found.resume_after)


@dataclass(frozen=True, slots=True)
class UsagePage:
    """A page of usage by day and project, and where the next one begins, if there is one."""

    days: Sequence[DayUsage]
    next: tuple[date, ProjectId] | None


class UsageReader:
    """Reads a tenant's usage, which is the sum over the ledger's entries.

    * A caller can read the usage of its tenant, or only that of its project if it is restricted to one.
    """

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock

    def by_day(
        self,
        caller: Caller,
        *,
        project: ProjectId | None = None,
        since: date | None = None,
        until: date | None = None,
        limit: int = DEFAULT_ENTRIES,
        cursor: tuple[date, ProjectId] | None = None,
    ) -> UsagePage:
        """Return a page of the usage by day, latest first, and by project.

        Args:
            caller: The caller.
            project: The only project; None for all that the caller can access.
            since: The first day; by default thirty days are returned.
            until: The last day; today by default.
            limit: The maximum number of rows, one per day and project.
            cursor: The last row of the previous page.

        Raises:
            InvalidValue: The range is empty or too long, or the limit is out of range.
        """
        _check_limit(limit)
        until = until or self._clock.now().date()
        since = since or until - min(timedelta(days=DEFAULT_DAYS - 1), until - date.min)
        if not timedelta(0) <= until - since < timedelta(days=MAX_DAYS):
            raise InvalidValue("since", text("problems.days_before_until", maximum=MAX_DAYS - 1))
        if limit == 0 or (project is not None and not caller.reaches(project)):
            return UsagePage((), None)
        wanted = UsageFilter(
            limit=limit + 1,
            tenant=caller.tenant.name,
            since=since,
            until=until,
            project_id=project if caller.project is None else caller.project,
            cursor=cursor,
        )
        found = self._unit_of_work.read(lambda transaction: transaction.audit.usage_by_day(wanted))
        days = found[:limit]
        return UsagePage(days, (days[-1].day, days[-1].project_id) if len(found) > limit else None)

    def of_quota(self, caller: Caller) -> Mapping[str, QuotaUse]:
        """Return the quotas that apply to the caller's tenant now, by name, with their usage."""
        name, day = caller.tenant.name, self._clock.now().date()

        def work(transaction: Transaction) -> Mapping[str, QuotaUse]:
            allowed = transaction.tenants.get_or_raise(name).quota.figures()
            counted = _counted(transaction, name, day, allowed)
            return {quota: QuotaUse(counted.get(quota), most) for quota, most in allowed.items()}

        return self._unit_of_work.read(work)

    def today(self, caller: Caller) -> Usage:
        """Return the usage of the caller's tenant today; stored bytes are the current total."""
        tenant, day = caller.tenant.name, self._clock.now().date()

        def work(transaction: Transaction) -> Usage:
            return transaction.audit.usage(tenant, day)

        return self._unit_of_work.read(work)

    def executions(self, caller: Caller) -> tuple[int, int]:
        """Return how many executions of the caller's tenant are running and waiting, up to a bound."""
        tenant = caller.tenant.name

        def work(transaction: Transaction) -> tuple[int, int]:
            executions = transaction.executions
            return executions.count_running(tenant), executions.count_waiting(tenant, _COUNTED_WAITING)

        return self._unit_of_work.read(work)


def _counted(
    transaction: Transaction, tenant: TenantName, day: date, allowed: Mapping[str, int]
) -> Mapping[str, int]:
    """Return the usage of quotas counted from rows; waiting executions are counted up to the quota."""
    usage, executions = transaction.audit.usage(tenant, day), transaction.executions
    return {
        "uploads_per_day": usage.uploads,
        "cpu_seconds_per_day": usage.cpu_ms // 1_000,
        "stored_bytes": usage.stored_bytes,
        "webhooks": transaction.webhooks.count(tenant) if "webhooks" in allowed else 0,
        "running": executions.count_running(tenant) if "running" in allowed else 0,
        "waiting": executions.count_waiting(tenant, allowed.get("waiting", 0)),
    }
