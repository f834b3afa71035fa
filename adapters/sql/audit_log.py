"""SQL audit log.

Entries are written and moved as rows of plain values, bypassing SQLAlchemy's types, because every command
waits for the write of its entry, and entries are moved as often as they are written.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from adapters.sql.commit_log import CommitProof
from adapters.sql.driver_statements import for_drivers
from adapters.sql.errors import inserted
from adapters.sql.tables import (
    audit_head,
    audit_journal,
    audit_ledger,
    projects,
    usage_by_day,
    usage_of_tenants,
)
from application.lists import AuditCursor, AuditFilter, FoundEntries, UsageFilter
from application.ports.audit_log import AuditLog
from application.views import DayUsage
from domain import audit
from domain.audit import (
    CHAIN_START,
    NO_USAGE,
    AuditEntry,
    AuditEntryId,
    ChainLink,
    EntryRow,
    LedgerEntry,
    Usage,
)
from domain.tenant import TenantName

_HEAD_ID = 1
# The row of `audit_head` that holds the last removed entry, where the remaining chain starts.
_START_ID = 2
_ALL_TIME = "all"
_USAGE = ("uploads", "executions", "cpu_ms", "stored_bytes")


_ADD = for_drivers(sa.insert(audit_journal))
_LINK = for_drivers(sa.insert(audit_ledger))
# Untyped columns, so that values are passed as the driver returns them.
_ENTRY: list[sa.ColumnElement[Any]] = [sa.column(name) for name in EntryRow._fields]
_WAITING = (
    sa.select(*_ENTRY)
    .select_from(audit_journal)
    .order_by(audit_journal.c.entry_id)
    .limit(sa.bindparam("limit"))
)
_REMOVE = sa.delete(audit_journal).where(
    audit_journal.c.entry_id.in_(sa.bindparam("ids", type_=sa.String, expanding=True))
)

_is_head = audit_head.c.head_id == _HEAD_ID
_HAS_HEAD = sa.select(audit_head.c.head_id).where(_is_head)
# Does not wait for another process that has the row locked: that process does the same work.
_LOCK_HEAD = (
    sa.select(audit_head.c.sequence, audit_head.c.hash).where(_is_head).with_for_update(skip_locked=True)
)
_FIRST_HEAD = sa.insert(audit_head).values(
    head_id=_HEAD_ID, sequence=CHAIN_START.sequence, hash=CHAIN_START.hash
)
_MOVE_HEAD = sa.update(audit_head).where(_is_head)

_is_start = audit_head.c.head_id == _START_ID
_START = sa.select(audit_head.c.sequence, audit_head.c.hash).where(_is_start)
_HAS_START = sa.select(audit_head.c.head_id).where(_is_start)
_LOCK_START = _START.with_for_update(skip_locked=True)
_FIRST_START = sa.insert(audit_head).values(
    head_id=_START_ID, sequence=CHAIN_START.sequence, hash=CHAIN_START.hash
)
_MOVE_START = sa.update(audit_head).where(_is_start)
_FIRST_ENTRIES = (
    sa.select(audit_ledger.c.sequence, audit_ledger.c.hash, audit_ledger.c.at)
    .where(audit_ledger.c.sequence > sa.bindparam("after"))
    .order_by(audit_ledger.c.sequence)
    .limit(sa.bindparam("limit"))
)
_REMOVE_ENTRIES = sa.delete(audit_ledger).where(audit_ledger.c.sequence <= sa.bindparam("last"))


def _sums(table: sa.Table, *key: str) -> tuple[sa.Update, sa.Insert]:
    """Return the statements that add to a row of sums, and that insert it."""
    update = (
        sa.update(table)
        .where(*(table.c[name] == sa.bindparam(f"of_{name}") for name in key))
        .values({name: table.c[name] + sa.bindparam(f"more_{name}") for name in _USAGE})
    )
    insert = sa.insert(table).values(
        {name: sa.bindparam(f"of_{name}") for name in key}
        | {name: sa.bindparam(f"more_{name}") for name in _USAGE}
    )
    return update, insert


_OF_DAY = _sums(usage_by_day, "tenant", "day", "project_id")
_OF_TENANT = _sums(usage_of_tenants, "tenant", "period")

_tenant = sa.bindparam("name", type_=usage_of_tenants.c.tenant.type)
_begin, _end = (sa.bindparam(name, type_=audit_journal.c.at.type) for name in ("begin", "end"))


def _summed(of_day: sa.ColumnElement[bool], table: sa.Table) -> tuple[sa.ColumnElement[Any], ...]:
    """Return a row's figures, zero if they are not from the day; stored bytes count on every day."""
    figures = (sa.case((of_day, table.c[name]), else_=0).label(name) for name in _USAGE[:-1])
    return (*figures, table.c.stored_bytes.label("stored_bytes"))


_rows = sa.union_all(
    sa.select(
        *(usage_of_tenants.c[name] for name in _USAGE[:-1]),
        sa.literal(0, sa.BigInteger).label("stored_bytes"),
    ).where(usage_of_tenants.c.tenant == _tenant, usage_of_tenants.c.period == sa.bindparam("day")),
    sa.select(*_summed(sa.false(), usage_of_tenants)).where(
        usage_of_tenants.c.tenant == _tenant, usage_of_tenants.c.period == _ALL_TIME
    ),
    sa.select(
        *_summed(sa.and_(audit_journal.c.at >= _begin, audit_journal.c.at < _end), audit_journal)
    ).where(audit_journal.c.tenant == _tenant),
).subquery("figures")
# A single statement, so that an entry posted concurrently counts exactly once.
_USAGE_NOW = sa.select(*(sa.func.coalesce(sa.func.sum(_rows.c[name]), 0) for name in _USAGE))


_LEDGER_ROW: list[sa.ColumnElement[Any]] = [sa.column(name) for name in ("sequence", "hash")] + _ENTRY
_NEWEST_FIRST = (audit_ledger.c.at.desc(), audit_ledger.c.sequence.desc())
_HEAD = sa.select(audit_head.c.sequence, audit_head.c.hash).where(_is_head)
# The maximum number of entries that a page scans for a filter without an index.
_WALKED = 10_000


_IN_JOURNAL = sa.select(audit_journal.c.entry_id).where(
    audit_journal.c.entry_id == sa.bindparam("id", type_=audit_journal.c.entry_id.type)
)
_IN_LEDGER = sa.select(audit_ledger.c.entry_id).where(
    audit_ledger.c.entry_id == sa.bindparam("id", type_=audit_ledger.c.entry_id.type)
)
# The lock waits for a transaction that has not ended yet.
_IN_JOURNAL_LOCKED = _IN_JOURNAL.with_for_update()


def is_recorded(connection: sa.Connection, entry_id: AuditEntryId) -> bool:
    """Return whether an entry was committed; wait for its transaction to end first.

    The ledger is read last, so that an entry moved from the journal meanwhile is found.
    """
    row = {"id": entry_id}
    return any(
        connection.execute(statement, row).first() is not None
        for statement in (_IN_JOURNAL_LOCKED, _IN_LEDGER)
    )


class SqlAuditLog(AuditLog):
    """The audit log of one transaction.

    Attributes:
        proof: The proof of the commit; None unless the transaction has added an entry.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._database = connection.dialect.name
        self.proof: CommitProof | None = None

    def add(self, entry: AuditEntry) -> None:
        """Store an entry in the journal."""
        self._connection.exec_driver_sql(_ADD[self._database], self._stored(entry.row()))
        self.proof = partial(is_recorded, entry_id=entry.id)

    def waiting(self, limit: int) -> list[AuditEntry]:
        """Return up to `limit` entries of the journal."""
        return [AuditEntry.of(row) for row in self._waiting(limit)]

    def post(self, limit: int) -> int:
        """Move up to `limit` entries from the journal to the ledger, under a lock on the chain's end."""
        head = self._lock(_LOCK_HEAD, _HAS_HEAD, _FIRST_HEAD)
        rows = [] if head is None else self._waiting(limit)
        if head is None or not rows:
            return 0
        linked = []
        for row in rows:
            head = head.next(row)
            linked.append((head.sequence, *self._stored(row), head.hash))
        self._connection.exec_driver_sql(_LINK[self._database], linked)
        self._connection.execute(_REMOVE, {"ids": [row.entry_id for row in rows]})
        self._connection.execute(_MOVE_HEAD.values(sequence=head.sequence, hash=head.hash))
        self._add_usage(audit.usage_by_day(rows))
        return len(rows)

    def usage(self, tenant: TenantName, day: date) -> Usage:
        """Return a tenant's usage of a day: the sum of posted entries and of entries in the journal."""
        begin = datetime(day.year, day.month, day.day, tzinfo=UTC)
        figures = self._connection.execute(
            _USAGE_NOW,
            {
                "name": tenant.value,
                "day": day.isoformat(),
                "begin": begin,
                "end": begin + timedelta(days=1),
            },
        ).one()
        return Usage(**{name: int(figure) for name, figure in zip(_USAGE, figures, strict=True)})

    def page(self, wanted: AuditFilter) -> FoundEntries:
        """Return a page of the ledger, using the index that fits the filter best."""
        if not (wanted.act or "").isascii():  # no action is, and servers refuse the comparison
            return FoundEntries([], None)
        index, indexed, others = _conditions(wanted)
        end = None
        if others:
            walk = self._connection.execute(
                _ledger(index, audit_ledger.c.at, audit_ledger.c.sequence)
                .where(*indexed)
                .order_by(*_NEWEST_FIRST)
                .limit(1)
                .offset(_WALKED - 1)
            ).first()
            end = None if walk is None else AuditCursor(walk.at, walk.sequence)
        until_end = [] if end is None else [_is_at_or_before(end)]
        rows = self._connection.execute(
            _ledger(index, *_LEDGER_ROW)
            .where(*indexed, *until_end, *others)
            .order_by(*_NEWEST_FIRST)
            .limit(wanted.limit)
        ).all()
        is_full = len(rows) == wanted.limit
        return FoundEntries([self._linked(row) for row in rows], None if is_full else end)

    def head(self) -> ChainLink:
        """Return the end of the chain."""
        found = self._connection.execute(_HEAD).first()
        return CHAIN_START if found is None else ChainLink(found.sequence, found.hash)

    def start(self) -> ChainLink:
        """Return the link before the first entry."""
        found = self._connection.execute(_START).first()
        return CHAIN_START if found is None else ChainLink(found.sequence, found.hash)

    def shorten(self, before: datetime, limit: int) -> ChainLink | None:
        """Remove the oldest entries of the ledger up to a time, under a lock on the chain's start."""
        start = self._lock(_LOCK_START, _HAS_START, _FIRST_START)
        if start is None:
            return None
        first = self._connection.execute(_FIRST_ENTRIES, {"after": start.sequence, "limit": limit})
        last = None
        for row in takewhile(lambda row: row.at < before, first.all()):
            last = ChainLink(row.sequence, row.hash)
        if last is not None:
            self._connection.execute(_REMOVE_ENTRIES, {"last": last.sequence})
            self._connection.execute(_MOVE_START.values(sequence=last.sequence, hash=last.hash))
        return last

    def linked(self, after: int, limit: int, tenant: TenantName | None = None) -> Sequence[LedgerEntry]:
        """Return entries of the ledger in the order of the chain."""
        of_tenant = [] if tenant is None else [audit_ledger.c.tenant == tenant.value]
        rows = self._connection.execute(
            sa.select(*_LEDGER_ROW)
            .select_from(audit_ledger)
            .where(audit_ledger.c.sequence > after, *of_tenant)
            .order_by(audit_ledger.c.sequence)
            .limit(limit)
        )
        return [self._linked(row) for row in rows]

    def usage_by_day(self, wanted: UsageFilter) -> Sequence[DayUsage]:
        """Return the usage of posted entries by day and project, with project names."""
        day, project_id = usage_by_day.c.day, usage_by_day.c.project_id
        conditions = [usage_by_day.c.tenant == wanted.tenant.value, day >= wanted.since, day <= wanted.until]
        if wanted.project_id is not None:
            conditions.append(project_id == wanted.project_id)
        if wanted.cursor is not None:
            last_day, last_project = wanted.cursor
            conditions.append(sa.and_(day <= last_day, sa.or_(day < last_day, project_id < last_project)))
        rows = self._connection.execute(
            sa.select(day, project_id, projects.c.name, *(usage_by_day.c[name] for name in _USAGE))
            .outerjoin_from(usage_by_day, projects, projects.c.project_id == project_id)
            .where(*conditions)
            .order_by(day.desc(), project_id.desc())
            .limit(wanted.limit)
        )
        return [
            DayUsage(
                day=row.day,
                project_id=row.project_id,
                project=row.name,
                usage=Usage(**{name: getattr(row, name) for name in _USAGE}),
            )
            for row in rows
        ]

    def _linked(self, row: Sequence[Any]) -> LedgerEntry:
        return LedgerEntry(ChainLink(row[0], row[1]), self._read(row[2:]))

    def _lock(self, lock: sa.Select[Any], is_there: sa.Select[Any], first: sa.Insert) -> ChainLink | None:
        """Lock and return an end of the chain; None if another transaction has it locked."""
        found = self._connection.execute(lock).first()
        if found is not None:
            return ChainLink(found.sequence, found.hash)
        if self._connection.execute(is_there).first() is not None:
            return None
        if not inserted(lambda: self._connection.execute(first)):
            return None  # another transaction has inserted it meanwhile
        return CHAIN_START

    def _waiting(self, limit: int) -> list[EntryRow]:
        return [self._read(row) for row in self._connection.execute(_WAITING, {"limit": limit}).all()]

    def _add_usage(self, sums: Mapping[tuple[str, str, int | None], Usage]) -> None:
        by_tenant: dict[tuple[str, str], Usage] = {}
        for (tenant, day, project), usage in sums.items():
            # Usage without a project, such as the bytes of removed files, counts for its tenant only.
            if project is not None:
                key = {"of_tenant": tenant, "of_day": date.fromisoformat(day), "of_project_id": project}
                self._add_to(_OF_DAY, usage, key)
            for period in (day, _ALL_TIME):
                by_tenant[tenant, period] = by_tenant.get((tenant, period), NO_USAGE) + usage
        for (tenant, period), usage in by_tenant.items():
            self._add_to(_OF_TENANT, usage, {"of_tenant": tenant, "of_period": period})

    def _add_to(
        self, statements: tuple[sa.Update, sa.Insert], usage: Usage, key: Mapping[str, object]
    ) -> None:
        update, insert = statements
        row = {**key, **{f"more_{name}": getattr(usage, name) for name in _USAGE}}
        if self._connection.execute(update, row).rowcount == 0:
            self._connection.execute(insert, row)

    def _stored(self, row: EntryRow) -> tuple[Any, ...]:
        """Return an entry's values in the database's format: times in MySQL have no zone."""
        return row if self._database == "sqlite" else row._replace(at=row.at.removesuffix("Z"))

    def _read(self, row: Sequence[Any]) -> EntryRow:
        """Return an entry's values in their original format."""
        read = EntryRow(*row)
        if self._database == "sqlite":
            return read
        return read._replace(at=row[1].isoformat(timespec="microseconds") + "Z")


def _conditions(
    wanted: AuditFilter,
) -> tuple[str, list[sa.ColumnElement[bool]], list[sa.ColumnElement[bool]]]:
    """Return an index, the conditions that select a range of it, and the remaining conditions."""
    columns = audit_ledger.c
    range_of_index: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        range_of_index.append(columns.at >= wanted.since)
    if wanted.until is not None:
        range_of_index.append(columns.at < wanted.until)
    if wanted.cursor is not None:
        range_of_index.append(_is_after(wanted.cursor))
    others = [
        column == value
        for column, value in (
            (columns.project_id, wanted.project_id),
            (columns.act, wanted.act),
            (columns.principal, wanted.principal),
        )
        if value is not None
    ]
    if wanted.tenant is None:
        return "ix_audit_ledger_at", range_of_index, others
    range_of_index.append(columns.tenant == wanted.tenant.value)
    for index, column, value in (
        ("ix_audit_ledger_principal", columns.principal, wanted.principal),
        ("ix_audit_ledger_act", columns.act, wanted.act),
    ):
        if value is not None:
            rest = [other for other in others if not other.compare(column == value)]
            return index, [*range_of_index, column == value], rest
    return "ix_audit_ledger_tenant", range_of_index, others


def _ledger(index: str, *columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    """Select from the ledger with an index hint: MySQL and MariaDB sometimes choose another index."""
    return (
        sa.select(*columns)
        .select_from(audit_ledger)
        .with_hint(audit_ledger, f"FORCE INDEX ({index})", "mysql")
    )


def _is_after(cursor: AuditCursor) -> sa.ColumnElement[bool]:
    """Return the condition that an entry follows a cursor, written as a range of an index."""
    at, sequence = audit_ledger.c.at, audit_ledger.c.sequence
    return sa.and_(at <= cursor.at, sa.or_(at < cursor.at, sequence < cursor.sequence))


def _is_at_or_before(end: AuditCursor) -> sa.ColumnElement[bool]:
    """Return the condition that an entry is the last entry of a scan, or precedes it."""
    at, sequence = audit_ledger.c.at, audit_ledger.c.sequence
    return sa.and_(at >= end.at, sa.or_(at > end.at, sequence >= end.sequence))
