from collections.abc import Sequence
from datetime import date, datetime
from itertools import islice, takewhile

from application.lists import AuditFilter, FoundEntries, UsageFilter
from application.ports.audit_log import AuditLog
from application.views import DayUsage
from domain.audit import CHAIN_START, NO_USAGE, AuditEntry, ChainLink, LedgerEntry, Usage, usage_by_day
from domain.tenant import TenantName
from domain.values import ProjectId
from tests.support.memory.database import Tables


class MemoryAuditLog(AuditLog):
    """The audit log in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._journal = tables.audit_journal
        self._ledger = tables.audit_ledger
        self._projects = tables.projects
        self._starts = tables.ledger_starts
        self._removed = tables.usage_removed
        self._usage_since = tables.usage_since

    def add(self, entry: AuditEntry) -> None:
        """Store an entry."""
        self._journal[entry.id] = entry

    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return entries that are not in the ledger yet."""
        return [self._journal[entry_id] for entry_id in sorted(self._journal)][:limit]

    def post(self, limit: int) -> int:
        """Move entries to the ledger."""
        moved = self.waiting(limit)
        for entry in moved:
            self._ledger.append(LedgerEntry(self.head().next(entry.row()), entry.row()))
            del self._journal[entry.id]
        return len(moved)

    def usage(self, tenant: TenantName, day: date) -> Usage:
        """Add up all entries of a tenant."""
        rows = [*(entry.row() for entry in self._journal.values()), *(linked.row for linked in self._ledger)]
        own = [row for row in rows if row.tenant == tenant.value]
        removed = sum((usage for key, usage in self._removed.items() if key[0] == tenant.value), NO_USAGE)
        of_day = sum((row.usage for row in own if row.time.date() == day), NO_USAGE)
        of_day += sum(
            (usage for key, usage in self._removed.items() if key[:2] == (tenant.value, day.isoformat())),
            NO_USAGE,
        )
        return Usage(
            uploads=of_day.uploads,
            executions=of_day.executions,
            cpu_ms=of_day.cpu_ms,
            stored_bytes=sum(row.stored_bytes for row in own) + removed.stored_bytes,
        )

    def page(self, wanted: AuditFilter) -> FoundEntries:
        """Return entries of the ledger, newest first."""
        newest_first = sorted(self._ledger, key=_age, reverse=True)
        found = (linked for linked in newest_first if _is_wanted(linked, wanted))
        return FoundEntries(list(islice(found, wanted.limit)))

    def head(self) -> ChainLink:
        """Return the latest link."""
        return self._ledger[-1].link if self._ledger else self.start()

    def start(self) -> ChainLink:
        """Return the link that precedes the first entry."""
        return self._starts[-1] if self._starts else CHAIN_START

    def shorten(self, before: datetime, limit: int) -> ChainLink | None:
        """Remove the first entries, and keep their usage."""
        removed = list(takewhile(lambda linked: linked.row.time < before, self._ledger[:limit]))
        if not removed:
            return None
        del self._ledger[: len(removed)]
        for key, usage in usage_by_day(linked.row for linked in removed).items():
            self._removed[key] = self._removed.get(key, NO_USAGE) + usage
        self._starts.append(removed[-1].link)
        return removed[-1].link

    def linked(self, after: int, limit: int, tenant: TenantName | None = None) -> Sequence[LedgerEntry]:
        """Return entries of the ledger in the order of their sequence numbers."""
        later = (linked for linked in self._ledger if linked.link.sequence > after)
        of_tenant = (linked for linked in later if tenant is None or linked.row.tenant == tenant.value)
        return list(islice(of_tenant, limit))

    def usage_by_day(self, wanted: UsageFilter) -> Sequence[DayUsage]:
        """Return sums of the ledger."""
        sums = dict(self._removed)
        for key, usage in usage_by_day(linked.row for linked in self._ledger).items():
            sums[key] = sums.get(key, NO_USAGE) + usage
        since = self._usage_since.get(wanted.tenant, date.min)
        days = [
            DayUsage(
                day=date.fromisoformat(day),
                project_id=ProjectId(project),
                project=self._projects[ProjectId(project)].name.value if project in self._projects else None,
                usage=usage,
            )
            for (tenant, day, project), usage in sums.items()
            if tenant == wanted.tenant.value
            and project is not None
            and date.fromisoformat(day) >= since
            and wanted.project_id in {None, project}
        ]
        days.sort(key=lambda one: (one.day, one.project_id), reverse=True)
        in_range = (one for one in days if wanted.since <= one.day <= wanted.until)
        rest = (one for one in in_range if wanted.cursor is None or (one.day, one.project_id) < wanted.cursor)
        return list(islice(rest, wanted.limit))


def _age(linked: LedgerEntry) -> tuple[str, int]:
    return linked.row.at, linked.link.sequence


def _is_wanted(linked: LedgerEntry, wanted: AuditFilter) -> bool:
    row, cursor = linked.row, wanted.cursor
    tenant = None if wanted.tenant is None else wanted.tenant.value
    equal = (
        (tenant, row.tenant),
        (wanted.project_id, row.project_id),
        (wanted.act, row.act),
        (wanted.principal, row.principal),
    )
    return (
        all(value is None or value == found for value, found in equal)
        and (wanted.since is None or row.time >= wanted.since)
        and (wanted.until is None or row.time < wanted.until)
        and (cursor is None or (row.time, linked.link.sequence) < (cursor.at, cursor.sequence))
    )
