"""Statements about executions. Each write has a precondition; its row count shows whether it held.

The lifecycle's transition table defines the source states and the target state of each write.
"""

from typing import Any

import sqlalchemy as sa

from adapters.sql.database_time import database_time, is_from_the_future
from adapters.sql.mapping import EXECUTION_COLUMNS, REQUEST_COLUMNS, STORED_STATES
from adapters.sql.tables import executions, jobs
from adapters.sql.types import Json, UtcDateTime
from domain.execution_lifecycle import (
    HOLDER_PREFIXES,
    LEASED,
    ExecutionState,
    ExecutionTrigger,
    sources,
    target,
)
from domain.job_lifecycle import JobStatus

_RESULT_COLUMNS = (
    *("status", "reason", "exit_code", "signal"),
    *("execution_time_ms", "cpu_time_ms", "cpu_percent", "memory_mb"),
    *("limit_name", "limit_measured", "limit_allowed", "log_key"),
    *("stdout", "stdout_bytes", "stdout_truncated", "stderr", "stderr_bytes", "stderr_truncated"),
    *("error_message", "error_text", "result_notes"),
    *("compile_output", "compile_output_bytes", "compile_output_truncated"),
    *("cases_summary", "artifacts"),
)


def _is_held_as(state: ExecutionState) -> sa.ColumnElement[bool]:
    prefix = HOLDER_PREFIXES[state]
    # Not LIKE, which is case-insensitive on SQLite.
    return sa.func.substr(executions.c.claimed_by, 1, len(prefix)) == prefix


_waits = executions.c.state == STORED_STATES[ExecutionState.WAITING]
# A delayed execution stores the end of its delay in `lease_expires_at`.
_is_delayed = executions.c.state == STORED_STATES[ExecutionState.DELAYED]
_is_leased = executions.c.state == STORED_STATES[ExecutionState.CLAIMED]
_is_delegated = _is_held_as(ExecutionState.DELEGATED)
_is_spooled = _is_held_as(ExecutionState.SPOOLED)
# The source states of the lifecycle's triggers, as conditions.
_IS_IN = {
    frozenset({ExecutionState.DELAYED}): _is_delayed,
    frozenset({ExecutionState.WAITING}): _waits,
    frozenset({ExecutionState.CLAIMED}): sa.and_(_is_leased, sa.not_(_is_delegated), sa.not_(_is_spooled)),
    LEASED: _is_leased,
    LEASED | {ExecutionState.WAITING, ExecutionState.DELAYED}: executions.c.state
    != STORED_STATES[ExecutionState.ENDED],
    frozenset(ExecutionState): sa.true(),
}


def _allows(trigger: ExecutionTrigger) -> sa.ColumnElement[bool]:
    """Return the condition that an execution is in a source state of a trigger."""
    return _IS_IN[sources(trigger)]


def _becomes(trigger: ExecutionTrigger) -> dict[str, str]:
    """Return the new value of the state column for a trigger; empty if the stored state does not change."""
    state = STORED_STATES[target(trigger)]
    return {} if all(STORED_STATES[source] == state for source in sources(trigger)) else {"state": state}


# A lease is also overdue if its start lies in the future, because the clock was set back.
_is_overdue = sa.or_(
    executions.c.lease_expires_at < database_time(), is_from_the_future(executions.c.leased_at)
)
_has_id = executions.c.execution_id == sa.bindparam("id")
_is_current = sa.exists().where(
    jobs.c.job_id == executions.c.job_id,
    jobs.c.status == JobStatus.RUNNING.value,
    jobs.c.current_execution_id == executions.c.execution_id,
)
_is_held = sa.and_(executions.c.claimed_by == sa.bindparam("worker"), _is_current)
_are_these = executions.c.execution_id.in_(sa.bindparam("ids", expanding=True))
_of_these_held = sa.and_(_are_these, _allows(ExecutionTrigger.RENEW), _is_held)
_by_age = (executions.c.requested_at, executions.c.execution_id)
_lease = {
    "leased_at": database_time(),
    "lease_expires_at": database_time(sa.bindparam("lease_us", type_=sa.BigInteger)),
}
# The type is explicit, because inside a function it would not be inferred from the column.
_now = sa.bindparam("now", type_=UtcDateTime())
_first_end = {"ended_at": sa.func.coalesce(executions.c.ended_at, _now)}


def _latest(time: sa.ColumnElement[Any], earlier: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
    """Return the later of a time and a lower bound; the bound may be NULL."""
    return sa.case((earlier > time, earlier), else_=time)


def _update(trigger: ExecutionTrigger, *conditions: sa.ColumnElement[bool]) -> sa.Update:
    """Build the update that applies a trigger of the lifecycle to an execution, under further conditions."""
    return sa.update(executions).where(_has_id, _allows(trigger), *conditions).values(**_becomes(trigger))


DELAY = (
    sa.update(executions).where(_has_id, _waits).values(state=STORED_STATES[ExecutionState.DELAYED], **_lease)
)
DUE = (
    sa.select(executions.c.execution_id)
    .where(_allows(ExecutionTrigger.RELEASE), _is_overdue)
    .limit(sa.bindparam("limit"))
    .with_for_update(skip_locked=True)
)
HAS_DUE = sa.select(
    sa.exists(sa.select(executions.c.execution_id).where(_allows(ExecutionTrigger.RELEASE), _is_overdue))
)
_release = (
    sa.update(executions)
    .where(_allows(ExecutionTrigger.RELEASE))
    .values(
        **_becomes(ExecutionTrigger.RELEASE),
        leased_at=None,
        lease_expires_at=None,
        waiting_since=database_time(),
    )
)
RELEASE = _release.where(_are_these)
RELEASE_ONE = _release.where(_has_id, _is_overdue)
GET = sa.select(*EXECUTION_COLUMNS).where(_has_id)
_orphaned = (
    sa.select(executions.c.execution_id)
    .where(_allows(ExecutionTrigger.EXPIRE), _is_overdue)
    .order_by(*_by_age)
    .limit(sa.bindparam("limit"))
    .subquery("orphaned")
)
# The ids are selected first, so that only the returned rows are read in full.
ORPHANED = (
    sa.select(*EXECUTION_COLUMNS)
    .join_from(_orphaned, executions, executions.c.execution_id == _orphaned.c.execution_id)
    .order_by(*_by_age)
)
WAITING = (
    sa.select(executions.c.execution_id, executions.c.job_id)
    .where(
        _waits,
        executions.c.tenant.not_in(sa.bindparam("held_back", expanding=True)),
        sa.or_(
            executions.c.waiting_since <= database_time(sa.bindparam("offset_us", type_=sa.BigInteger)),
            is_from_the_future(executions.c.waiting_since),
        ),
    )
    .order_by(*_by_age)
    .limit(sa.bindparam("limit"))
)
WAITING_IN = WAITING.where(executions.c.language.in_(sa.bindparam("queues", expanding=True)))
_owned = sa.select(executions.c.execution_id).where(executions.c.tenant == sa.bindparam("owner"))
_limited = [
    sa.select(_owned.where(condition).limit(sa.bindparam("limit")).subquery(name))
    for name, condition in (
        ("waiting", _waits),
        ("postponed", sa.and_(_is_delayed, executions.c.deferred_since.is_not(None))),
    )
]
# Not one query for both, because the index covers that of the waiting ones alone.
COUNT_WAITING = sa.select(sa.func.count()).select_from(sa.union_all(*_limited).subquery("counted"))
HELD = sa.select(executions.c.execution_id).where(_of_these_held)

# Rows locked by other claims are skipped, not waited for. SQLite has one writer at a time.
_waiting = (
    sa.select(*REQUEST_COLUMNS, database_time().label("now"))
    .where(_allows(ExecutionTrigger.CLAIM))
    .with_for_update(skip_locked=True)
)
_QUEUE = "FORCE INDEX (ix_executions_queue)"
_LANGUAGE = "FORCE INDEX (ix_executions_language)"
# Rows written by versions without the language column match every language.
_is_in = executions.c.language.is_not_distinct_from(
    sa.bindparam("language", type_=executions.c.language.type)
)
_are_in = executions.c.language.in_(sa.bindparam("queues", expanding=True))
_next = (
    _waiting.where(executions.c.tenant == sa.bindparam("tenant"))
    .order_by(executions.c.precedence, *_by_age)
    .limit(sa.bindparam("limit"))
)
# Without the hint, a short table is scanned in full, and the rows that do not match are locked too.
NEXT = _next.with_hint(executions, _QUEUE, "mysql")
NEXT_IN = _next.where(_is_in).with_hint(executions, _LANGUAGE, "mysql")
THIS = _waiting.where(_has_id)
TENANT = sa.select(executions.c.tenant).where(_has_id)
# Spooled executions do not count: their programs have ended.
RUNNING = (
    sa.select(executions.c.tenant, sa.func.count().label("running"))
    .with_hint(executions, _QUEUE, "mysql")
    .where(_is_leased, sa.not_(_is_spooled))
    .group_by(executions.c.tenant)
)
RUNNING_OF = RUNNING.where(executions.c.tenant.in_(sa.bindparam("tenants", expanding=True)))


def first_tenant(low: str, high: str, *, in_language: bool) -> sa.ScalarSelect[str]:
    """Build the subquery for the first tenant with waiting executions in a range of names."""
    found = (
        sa.select(executions.c.tenant)
        .with_hint(executions, _LANGUAGE if in_language else _QUEUE, "mysql")
        .where(_waits, executions.c.tenant >= sa.bindparam(low), executions.c.tenant < sa.bindparam(high))
        .order_by(executions.c.tenant)
        .limit(1)
    )
    return (found.where(_is_in) if in_language else found).scalar_subquery()


CLAIM = (
    sa.update(executions)
    .where(_are_these)
    .values(
        **_becomes(ExecutionTrigger.CLAIM),
        claimed_by=sa.bindparam("worker"),
        claimed_at=_latest(_now, executions.c.requested_at),
        started_at=_latest(sa.bindparam("start", type_=UtcDateTime()), executions.c.requested_at),
        **_lease,
    )
)
CLAIMED = (
    sa.select(executions.c.execution_id)
    .where(
        _has_id,
        executions.c.claimed_by == sa.bindparam("worker"),
        executions.c.claimed_at == sa.bindparam("since", type_=UtcDateTime()),
    )
    .with_for_update()
)
RENEW = sa.update(executions).where(_of_these_held).values(**_lease)
MARK_STARTED = _update(ExecutionTrigger.PROGRESS, _is_held).values(
    started_at=sa.func.coalesce(
        executions.c.started_at,
        _latest(_latest(database_time(), executions.c.claimed_at), executions.c.building_at),
    )
)
START = sa.select(executions.c.started_at).where(_has_id)
MARK_BUILDING = _update(ExecutionTrigger.PROGRESS, _is_held).values(
    building_at=_latest(database_time(), executions.c.claimed_at)
)
SET_NOTES = _update(ExecutionTrigger.PROGRESS, _is_held).values(notes=sa.bindparam("new_notes", type_=Json()))
UNMARK_STARTED = _update(ExecutionTrigger.PROGRESS, _is_held).values(started_at=None)
DELEGATE = _update(ExecutionTrigger.DELEGATE, _is_held).values(claimed_by=sa.bindparam("engine"), **_lease)
AWAIT_STORAGE = _update(ExecutionTrigger.AWAIT_STORAGE, _is_current).values(
    claimed_by=sa.bindparam("holder"), **_lease
)
AWAITING_STORAGE = sa.select(sa.func.count()).select_from(executions).where(_is_leased, _is_spooled)
_wait_began = database_time(sa.bindparam("offset_us", type_=sa.BigInteger))
_deferred_now = _latest(database_time(), executions.c.requested_at)
LEAVE_TO_OTHERS = _update(
    ExecutionTrigger.DEFER,
    _is_held,
    # The claim time tells the claims apart if a worker claims an execution again after it has requeued it.
    executions.c.claimed_at == sa.bindparam("since", type_=UtcDateTime()),
).values(
    claimed_by=None,
    claimed_at=None,
    leased_at=None,
    lease_expires_at=None,
    building_at=None,
    started_at=None,
    waiting_since=database_time(),
    language=sa.func.coalesce(sa.bindparam("queue", type_=executions.c.language.type), executions.c.language),
)
DEFER = LEAVE_TO_OTHERS.where(
    sa.or_(executions.c.deferred_since.is_(None), executions.c.deferred_since > _wait_began)
).values(deferred_since=sa.func.coalesce(executions.c.deferred_since, _deferred_now))
POSTPONE = DEFER.where(_allows(ExecutionTrigger.POSTPONE)).values(
    **_becomes(ExecutionTrigger.POSTPONE), **_lease
)
_not_deferred = sa.and_(_waits, executions.c.deferred_since.is_(None))
NOT_DEFERRED = sa.select(executions.c.execution_id).where(_not_deferred, _are_in).limit(sa.bindparam("limit"))
MARK_DEFERRED = sa.update(executions).where(_are_these, _not_deferred).values(deferred_since=_deferred_now)
DEFERRED = (
    sa.select(executions.c.execution_id, executions.c.job_id)
    .where(_waits, _are_in, executions.c.deferred_since <= _wait_began)
    .limit(sa.bindparam("limit"))
)
GIVE_UP = _update(ExecutionTrigger.GIVE_UP).values(ended_at=_now)
END = _update(ExecutionTrigger.END).values(**_first_end)
END_WITH_RESULT = _update(ExecutionTrigger.COMPLETE, executions.c.status.is_(None)).values(
    **_first_end, **{name: sa.bindparam(f"new_{name}") for name in (*_RESULT_COLUMNS, "log_bytes")}
)
EXPIRE_LEASE = _update(ExecutionTrigger.EXPIRE, _is_overdue).values(**_first_end)
