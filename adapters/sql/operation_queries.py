"""Figures for operators, counted from indexes only and up to a bound."""

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial

import sqlalchemy as sa

from adapters.sql.engine import reading
from adapters.sql.fair_claim import FairClaim
from adapters.sql.queue_statements import (
    MOST_TENANTS,
    OLDEST_OF,
    count_up_to,
    is_owned,
    postponed_up_to,
    waits,
)
from adapters.sql.tables import executions, outbox, pending_deletions, tenants, webhook_deliveries
from adapters.sql.transaction_retrier import TransactionRetrier
from application.ports.operation_queries import COUNTED_UP_TO, Backlog, OperationQueries, TenantClass
from domain.delivery import DeliveryStatus
from domain.tenant import TenantStatus

_count = partial(count_up_to, COUNTED_UP_TO)
WAITING = _count(executions, waits)
WAITING_OF = _count(executions, waits, is_owned)
_SUSPENDED = sa.select(tenants.c.tenant).where(
    tenants.c.tenant.in_(sa.bindparam("names", expanding=True)),
    tenants.c.status == TenantStatus.SUSPENDED.value,
)
POSTPONED = postponed_up_to(COUNTED_UP_TO)
OUTBOX = _count(outbox)
OLDEST_IN_OUTBOX = sa.select(outbox.c.added_at).order_by(outbox.c.added_at, outbox.c.message_id).limit(1)
DEAD_DELIVERIES = _count(webhook_deliveries, webhook_deliveries.c.status == DeliveryStatus.FAILED.value)
DELETIONS = _count(pending_deletions)


class SqlOperationQueries(OperationQueries):
    """Queries of figures, at a cost that does not grow with the number of jobs."""

    def __init__(self, engine: sa.Engine, retrier: TransactionRetrier | None = None) -> None:
        self._engine = engine
        self._retrier = retrier or TransactionRetrier()

    def queue(self) -> Mapping[TenantClass, Backlog]:
        """Return the backlog of waiting executions by the class of their tenants."""

        def read() -> Mapping[TenantClass, Backlog]:
            with reading(self._engine) as connection:
                return _queue(connection)

        return self._retrier(read)

    def postponed(self) -> Backlog:
        """Return the backlog of postponed executions."""

        def read() -> Backlog:
            with reading(self._engine) as connection:
                return Backlog(*connection.execute(POSTPONED).one())

        return self._retrier(read)

    def outbox(self) -> Backlog:
        """Return the backlog of messages in the outbox."""

        def read() -> Backlog:
            with reading(self._engine) as connection:
                oldest = connection.execute(OLDEST_IN_OUTBOX).scalar_one_or_none()
                return Backlog(_number(connection, OUTBOX), oldest)

        return self._retrier(read)

    def dead_deliveries(self) -> int:
        """Return the number of dead-lettered deliveries."""
        return self._count(DEAD_DELIVERIES)

    def pending_deletions(self) -> int:
        """Return the number of objects that wait for deletion."""
        return self._count(DELETIONS)

    def _count(self, statement: sa.Select[int]) -> int:
        def read() -> int:
            with reading(self._engine) as connection:
                return _number(connection, statement)

        return self._retrier(read)


def _queue(connection: sa.Connection) -> Mapping[TenantClass, Backlog]:
    claim = FairClaim(connection)
    waiting = claim.waiting_tenants(MOST_TENANTS)
    held_back = claim.held_back().intersection(waiting) if waiting else set()
    suspended = (
        set(connection.execute(_SUSPENDED, {"names": sorted(held_back)}).scalars()) if held_back else set()
    )
    found = {
        TenantClass.AT_QUOTA: _of(connection, held_back - suspended),
        TenantClass.SUSPENDED: _of(connection, suspended),
    }
    others = sum(backlog.number for backlog in found.values())
    number = _number(connection, WAITING) if waiting else 0
    oldest = _oldest(connection, set(waiting) - held_back)
    return {TenantClass.READY: Backlog(max(number - others, 0), oldest), **found}


def _of(connection: sa.Connection, names: Collection[str]) -> Backlog:
    """Return the backlog of waiting executions of some tenants."""
    numbers = (_number(connection, WAITING_OF, owner=name) for name in names)
    return Backlog(min(sum(numbers), COUNTED_UP_TO + 1), _oldest(connection, names))


def _oldest(connection: sa.Connection, names: Collection[str]) -> datetime | None:
    found = (
        time
        for name in names
        for time in connection.execute(OLDEST_OF, {"owner": name}).scalars()
        if time is not None
    )
    return min(found, default=None)


def _number(connection: sa.Connection, statement: sa.Select[int], **wanted: str) -> int:
    number: int = connection.execute(statement, wanted).scalar_one()
    return number
