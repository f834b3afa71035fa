"""Selection of the next executions to claim, fair between tenants.

The cost of a claim depends neither on the number of waiting executions nor on the number of tenants. A claim
looks for the first tenant with waiting executions in several ranges of names; each range costs one seek in
the index of the queue. The ranges are the names of the tenants with running programs, and the gaps between
these names.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from adapters.sql import execution_statements as statements
from adapters.sql.tables import tenants
from domain.fairness import TenantLoad, share
from domain.tenant import TenantName, TenantStatus
from domain.values import ExecutionId

# These sort before and after every character of a tenant's name, even if a database pads names with spaces.
_NEXT_NAME, _LAST_NAME = "!", "~"
_RANGES_AT_ONCE = 64

_OF_TENANTS = tenants.c.tenant.in_(sa.bindparam("tenants", expanding=True))
_TENANTS = sa.select(tenants.c.tenant, tenants.c.status, tenants.c.quota).where(_OF_TENANTS)
_MAY_BE_HELD_BACK = sa.select(tenants.c.tenant, tenants.c.status, tenants.c.quota).where(
    sa.or_(
        tenants.c.status == TenantStatus.SUSPENDED.value,
        # Matches the JSON text, so that only quotas with this bound are read.
        sa.and_(
            tenants.c.status == TenantStatus.ACTIVE.value,
            sa.type_coerce(tenants.c.quota, sa.Text).contains('"running"'),
        ),
    )
)
_LOCKED_TENANTS = _TENANTS.order_by(tenants.c.tenant).with_for_update()
_UNLOCKED_TENANTS = _TENANTS.order_by(tenants.c.tenant).with_for_update(skip_locked=True)
_Range = tuple[str, str]


# The state of the tenant that was served last, and the next waiting tenants. Most claims need nothing else.
ALONE = sa.select(
    tenants.c.status,
    tenants.c.quota,
    statements.first_tenant("from_0", "until_0", in_language=False).label("following"),
    statements.first_tenant("from_1", "until_1", in_language=False).label("preceding"),
).where(tenants.c.tenant == sa.bindparam("last"))


@cache
def walk_statement(ranges: int, *, in_language: bool) -> sa.Select[tuple[Any, ...]]:
    """Build the statement that finds the first waiting tenant in each range of names."""
    found: list[sa.Label[Any]] = [
        statements.first_tenant(f"from_{number}", f"until_{number}", in_language=in_language).label(
            f"tenant_{number}"
        )
        for number in range(ranges)
    ]
    return sa.select(*found)


class FairClaim:
    """Selects waiting executions to claim, and locks them.

    * Tenants that are not active, or have as many running executions as their quota allows, are skipped.
    * The row of a tenant with a bound is locked while its executions are counted and claimed, so that
      concurrent claims keep the bound. If another claim holds the lock, other tenants are served first.

    Args:
        connection: The connection of the claiming transaction.
        queues: The queues to claim from; None for all.
        last: The name of the tenant that was served last; empty if there is none.
    """

    def __init__(
        self, connection: sa.Connection, queues: Collection[str] | None = None, last: str = ""
    ) -> None:
        self._connection = connection
        self._queues = None if queues is None else (*sorted(queues), None)
        self._last = last
        self._running: dict[str, int] = {}
        # The bounds of active tenants; None for no bound.
        self._bounds: dict[str, int | None] = {}
        self._seen: set[str] = set()
        self._taken: dict[str, set[ExecutionId]] = {}
        self._exhausted: set[str] = set()
        self._passed_over: set[str] = set()

    def next(self, limit: int) -> Sequence[sa.RowMapping]:
        """Select and lock up to `limit` executions, in the order of claims."""
        others = self._others()
        if not others and self._bounds.get(self._last, 0) is None:
            return self._next_of(self._last, limit)
        found = others or self._walk({self._last} if self._last else ())
        self._running = self._count()
        taken = self._spread(found, limit)
        if len(taken) < limit and self._passed_over:
            waiting = sorted(self._passed_over)
            self._exhausted -= self._passed_over
            taken += self._serve(self._shares(waiting, limit - len(taken)), _LOCKED_TENANTS)
        return taken

    def allows(self, name: str) -> bool:
        """Return whether a tenant's execution may be claimed, and lock the tenant's row if it has a bound."""
        self._look_at([name])
        if self._bounds.get(name) is not None:
            self._lock([name], _LOCKED_TENANTS)
        bound = self._bounds.get(name, 0)
        return bound is None or self._running.get(name, 0) < bound

    def waiting_tenants(self, at_most: int) -> Sequence[str]:
        """Return up to `at_most` tenants with waiting executions."""
        known: set[str] = set()
        while len(known) < at_most and (new := set(self._walk(known)) - known):
            known |= new
        return sorted(known)[:at_most]

    def running(self, name: str) -> int:
        """Return the number of a tenant's running executions."""
        return self._count([name]).get(name, 0)

    def held_back(self, beside: Mapping[str, int] = MappingProxyType({})) -> set[str]:
        """Return the tenants that are suspended, or have as many running executions as their quota allows.

        Args:
            beside: The number of threads that work for each tenant in addition to its executions.
        """
        running = self._count()
        return {
            row.tenant
            for row in self._connection.execute(_MAY_BE_HELD_BACK)
            if row.status != TenantStatus.ACTIVE
            or row.quota["running"] <= running.get(row.tenant, 0) + beside.get(row.tenant, 0)
        }

    def _spread(self, found: list[str], limit: int) -> list[sa.RowMapping]:
        """Serve each tenant without running executions once, then the tenants with the fewest."""
        taken: list[sa.RowMapping] = []
        known = {self._last} if self._last else set()
        while new := [name for name in found if name not in known]:
            self._look_at(new)
            idle = [name for name in new if not self._running.get(name)]
            once = dict.fromkeys(self._shares(idle, limit - len(taken)), 1)
            taken += self._serve(once, _UNLOCKED_TENANTS)
            if len(taken) == limit:
                return taken
            known |= {*new, *self._running}
            found = self._walk(known)
        self._look_at(found)
        while shares := self._shares(found, limit - len(taken)):
            taken += self._serve(shares, _UNLOCKED_TENANTS)
        return taken

    def _shares(self, waiting: Iterable[str], claims: int) -> dict[str, int]:
        loads = (
            TenantLoad(TenantName(name), self._running.get(name, 0), self._bounds[name])
            for name in waiting
            if name in self._bounds and name not in self._exhausted
        )
        return {tenant.value: number for tenant, number in share(loads, claims).items()}

    def _serve(self, shares: Mapping[str, int], lock: sa.Select[tuple[Any, ...]]) -> Iterator[sa.RowMapping]:
        """Take each tenant's share of executions; a tenant with fewer than its share counts as exhausted."""
        self._lock([name for name in shares if self._bounds[name] is not None], lock)
        for name, number in shares.items():
            bound = self._bounds.get(name, 0)
            room = number if bound is None else min(number, bound - self._running.get(name, 0))
            rows = self._next_of(name, room) if room > 0 and name not in self._passed_over else ()
            self._running[name] = self._running.get(name, 0) + len(rows)
            if len(rows) < number:
                self._exhausted.add(name)
            yield from rows

    def _lock(self, names: Sequence[str], lock: sa.Select[tuple[Any, ...]]) -> None:
        """Lock the rows of tenants, and read again their state and the number of running executions."""
        if not names:
            return
        locked = {row.tenant: row for row in self._connection.execute(lock, {"tenants": names})}
        self._passed_over = (self._passed_over | set(names)) - locked.keys()
        for row in locked.values():
            self._note(row.tenant, row.status, row.quota)
        stored = self._count(locked)
        self._running |= {name: stored.get(name, 0) + len(self._taken.get(name, ())) for name in locked}

    def _others(self) -> list[str]:
        """Find other waiting tenants than the last served, and read the state of the last served."""
        gaps = {
            "from_0": self._last + _NEXT_NAME,
            "until_0": _LAST_NAME,
            "from_1": "",
            "until_1": self._last,
        }
        row = self._connection.execute(ALONE, {**gaps, "last": self._last}).first()
        if row is None:
            return []
        self._note(self._last, row.status, row.quota)
        return [name for name in (row.following, row.preceding) if name is not None]

    def _look_at(self, names: Iterable[str]) -> None:
        """Read the state of tenants that are not known yet."""
        new = [name for name in names if name not in self._seen]
        if new:
            for row in self._connection.execute(_TENANTS, {"tenants": new}):
                self._note(row.tenant, row.status, row.quota)

    def _note(self, name: str, status: str | None, quota: Mapping[str, int] | None) -> None:
        self._seen.add(name)
        if status == TenantStatus.ACTIVE:
            self._bounds[name] = (quota or {}).get("running")
        else:
            self._bounds.pop(name, None)

    def _count(self, names: Collection[str] | None = None) -> dict[str, int]:
        """Count the running executions of some tenants, or of every tenant that has any."""
        if names is None:
            rows = self._connection.execute(statements.RUNNING)
        else:
            rows = self._connection.execute(statements.RUNNING_OF, {"tenants": sorted(names)})
        return {row.tenant: row.running for row in rows}

    def _walk(self, known: Collection[str]) -> list[str]:
        """Find waiting tenants, in turn: the known ones, and the first in each gap between them."""
        ranges = list(self._ranges(known))
        found: list[str] = []
        for begin in range(0, len(ranges), _RANGES_AT_ONCE):
            some = ranges[begin : begin + _RANGES_AT_ONCE]
            bounds = {
                name: value
                for number, (low, high) in enumerate(some)
                for name, value in ((f"from_{number}", low), (f"until_{number}", high))
            }
            found += self._first_in(len(some), bounds)
        return found

    def _first_in(self, ranges: int, bounds: Mapping[str, str]) -> list[str]:
        """Find the first tenant in each range with waiting executions in any of the queues."""
        if self._queues is None:
            rows = [self._connection.execute(walk_statement(ranges, in_language=False), bounds).one()]
        else:
            statement = walk_statement(ranges, in_language=True)
            rows = [
                self._connection.execute(statement, {**bounds, "language": queue}).one()
                for queue in self._queues
            ]
        firsts = (set(names) - {None} for names in zip(*rows, strict=True))
        return [min(names) for names in firsts if names]

    def _ranges(self, known: Collection[str]) -> Iterator[_Range]:
        """Split all names at the known ones, starting after the last served and wrapping around to it."""
        after = sorted(name for name in known if name > self._last)
        until = sorted(name for name in known if name <= self._last)
        for first, names in ((self._last and self._last + _NEXT_NAME, after), ("", until)):
            low = first
            for name in names:
                yield from ((low, name), (name, name + _NEXT_NAME))
                low = name + _NEXT_NAME
            if names is after:
                yield low, _LAST_NAME

    def _next_of(self, name: str, number: int) -> Sequence[sa.RowMapping]:
        """Select and lock up to `number` next executions of a tenant."""
        taken = self._taken.setdefault(name, set())
        wanted = {"tenant": name, "limit": number + len(taken)}
        if self._queues is None:
            rows = self._connection.execute(statements.NEXT, wanted).mappings().all()
        else:
            rows = [
                row
                for queue in self._queues
                for row in self._connection.execute(
                    statements.NEXT_IN, {**wanted, "language": queue}
                ).mappings()
            ]
            rows.sort(key=_turn)
        # Executions taken earlier in this claim are still stored as waiting.
        rows = [row for row in rows if row["execution_id"] not in taken][:number]
        taken |= {row["execution_id"] for row in rows}
        return rows


def _turn(row: sa.RowMapping) -> tuple[Any, ...]:
    return row["execution_precedence"], row["execution_requested_at"], row["execution_id"]
