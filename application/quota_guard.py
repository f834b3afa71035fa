"""Checks of a tenant's usage against its quota, in the transactions that add to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import QuotaExceeded
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from domain.audit import Usage
from domain.caller import Caller
from domain.quota import UNLIMITED
from domain.tenant import TenantName

# While there is room for this many more commands like the checked one, usage is counted without a lock, and a
# count from a moment ago is used: one tenant makes fewer commands in that time, and has fewer in progress at
# once.
_PLENTY = 1_000
_COUNTED_WITHIN_S = 0.25
_SOON_S = 5
_LATER_S = 60


@dataclass(frozen=True, slots=True)
class _Counted:
    """A quota whose usage is counted from rows.

    Attributes:
        name: Its name in `Quota`.
        added: Returns how much of it a command uses.
        retry_after_s: Returns the seconds after which there may be room again.
        is_exact: Whether it is never exceeded; if not, work that has begun may exceed it.
    """

    name: str
    added: Callable[[Usage], int]
    retry_after_s: Callable[[datetime], int]
    is_exact: bool = True


def _until_tomorrow(now: datetime) -> int:
    """Return the seconds until the next day begins, in UTC."""
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, -int((now - tomorrow) // timedelta(seconds=1)))


_COUNTED = (
    _Counted("uploads_per_day", lambda usage: usage.uploads, _until_tomorrow),
    _Counted("waiting", lambda usage: usage.executions, lambda _now: _SOON_S),
    # An execution may begin if any time is left.
    _Counted("cpu_seconds_per_day", lambda usage: min(usage.executions, 1), _until_tomorrow, is_exact=False),
    _Counted("stored_bytes", lambda usage: usage.stored_bytes, lambda _now: _LATER_S),
)
_OF_LEDGER = frozenset({"uploads_per_day", "cpu_seconds_per_day", "stored_bytes"})


@dataclass(frozen=True, slots=True)
class _Bound:
    """A quota that applies to a command.

    Attributes:
        counted: The quota.
        allowed: Its total.
        added: How much of it the command uses.
    """

    counted: _Counted
    allowed: int
    added: int

    @property
    def name(self) -> str:
        """The name of the quota."""
        return self.counted.name

    def is_exceeded(self, used: Mapping[str, int]) -> bool:
        """Whether there is no room for the command."""
        return used[self.name] + self.added > self.allowed

    def has_plenty(self, used: Mapping[str, int]) -> bool:
        """Whether there is room for many commands like this one."""
        return used[self.name] + _PLENTY * self.added <= self.allowed


@dataclass(frozen=True, slots=True)
class _Count:
    """The usage by quota name, counted at a time of the monotonic clock."""

    used: Mapping[str, int]
    at: float


class QuotaGuard:
    """Refuses commands that would exceed their tenants' quotas.

    * Usage is counted from rows, so that a killed process cannot leave a counter wrong.
    * Near a quota, the tenant's row is locked before usage is counted. The tenant's commands are then
      serialized, and none exceeds the quota.
    * A tenant without a quota causes no queries.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # The latest counts, by tenant and quota names.
        self._counts: dict[tuple[TenantName, tuple[str, ...]], _Count] = {}

    def check_early(
        self, unit_of_work: CallerUnitOfWork, caller: Caller, added: Usage, now: datetime
    ) -> None:
        """Refuse a command before its other work if the last count left no room.

        Args:
            unit_of_work: Counts the usage again.
            caller: The caller, whose tenant's quota applies.
            added: The usage that the command adds; `executions` counts waiting ones.
            now: The time; its day in UTC counts.

        Raises:
            QuotaExceeded: There is still no room.
        """
        bounds = _bounds(caller, added)
        last = self._last(caller, bounds)
        if last is not None and any(bound.is_exceeded(last.used) for bound in bounds):
            _refuse(bounds, unit_of_work.read(lambda t: self._count(t, caller, bounds, now)), now)

    def check(self, transaction: Transaction, caller: Caller, added: Usage, now: datetime) -> None:
        """Check that there is room for a command, at the beginning of its transaction.

        Raises:
            QuotaExceeded: There is no room.
        """
        bounds = _bounds(caller, added)
        if not bounds:
            return
        last = self._last(caller, bounds)
        if last is None or not _is_near(bounds, last.used):
            if last is not None and self._is_recent(last) and all(b.has_plenty(last.used) for b in bounds):
                return
            used = self._count(transaction, caller, bounds, now)
            if not _is_near(bounds, used):
                _refuse(bounds, used, now)
                return
        transaction.tenants.lock_or_raise(caller.tenant.name)
        _refuse(bounds, self._count(transaction, caller, bounds, now), now)

    def _last(self, caller: Caller, bounds: Sequence[_Bound]) -> _Count | None:
        return self._counts.get((caller.tenant.name, tuple(bound.name for bound in bounds)))

    def _is_recent(self, count: _Count) -> bool:
        return self._clock.monotonic() - count.at < _COUNTED_WITHIN_S

    def _count(
        self, transaction: Transaction, caller: Caller, bounds: Sequence[_Bound], now: datetime
    ) -> Mapping[str, int]:
        began_at = self._clock.monotonic()
        tenant = caller.tenant.name
        used: dict[str, int] = {}
        names = tuple(bound.name for bound in bounds)
        if _OF_LEDGER.intersection(names):
            usage = transaction.audit.usage(tenant, now.date())
            used["uploads_per_day"] = usage.uploads
            used["cpu_seconds_per_day"] = usage.cpu_ms // 1_000
            used["stored_bytes"] = usage.stored_bytes
        if "waiting" in names:
            allowed = next(bound.allowed for bound in bounds if bound.name == "waiting")
            used["waiting"] = transaction.executions.count_waiting(tenant, allowed)
        self._counts[tenant, names] = _Count(used, began_at)
        return used


def _bounds(caller: Caller, added: Usage) -> list[_Bound]:
    quota = caller.tenant.quota
    if quota == UNLIMITED:
        return []
    allowed = ((row, getattr(quota, row.name)) for row in _COUNTED)
    bounds = (_Bound(row, most, row.added(added)) for row, most in allowed if most is not None)
    return [bound for bound in bounds if bound.added > 0]


def _is_near(bounds: Sequence[_Bound], used: Mapping[str, int]) -> bool:
    """Whether an exact quota lacks room for many commands like this one."""
    return any(bound.counted.is_exact and not bound.has_plenty(used) for bound in bounds)


def _refuse(bounds: Sequence[_Bound], used: Mapping[str, int], now: datetime) -> None:
    for bound in bounds:
        if bound.is_exceeded(used):
            raise QuotaExceeded(bound.name, used[bound.name], bound.allowed, bound.counted.retry_after_s(now))
