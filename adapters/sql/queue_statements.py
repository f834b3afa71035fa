"""Shared statements about the queue. Each reads a range of one index."""

from datetime import datetime

import sqlalchemy as sa

from adapters.sql.mapping import STORED_STATES
from adapters.sql.tables import executions
from domain.execution_lifecycle import ExecutionState
from domain.priority import MAX_PRIORITY

# The maximum number of tenants whose queues are read one by one.
MOST_TENANTS = 50

waits = executions.c.state == STORED_STATES[ExecutionState.WAITING]
is_owned = executions.c.tenant == sa.bindparam("owner")
# A tenant's queue is sorted by precedence; the first row of each precedence is its oldest.
OLDEST_OF = sa.union_all(
    *(
        sa.select(sa.func.min(executions.c.requested_at)).where(
            waits, is_owned, executions.c.precedence == precedence
        )
        for precedence in range(MAX_PRIORITY + 1)
    )
)


def postponed_up_to(bound: int) -> sa.Select[int, datetime | None]:
    """Count postponed executions, up to one more than a bound, and find the oldest of them."""
    is_postponed = sa.and_(
        executions.c.state == STORED_STATES[ExecutionState.DELAYED], executions.c.deferred_since.is_not(None)
    )
    found = sa.select(executions.c.requested_at).where(is_postponed).limit(bound + 1).subquery("postponed")
    return sa.select(sa.func.count(), sa.func.min(found.c.requested_at)).select_from(found)


def count_up_to(bound: int, source: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> sa.Select[int]:
    """Count rows as `number`, up to one more than a bound. The conditions must be a range of one index."""
    one = sa.select(sa.literal(1).label("one"))
    bounded = one.select_from(source).where(*conditions).limit(bound + 1)
    return sa.select(sa.func.count().label("number")).select_from(bounded.subquery())
