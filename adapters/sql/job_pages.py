"""Statements for job lists.

A statement first finds the keys of a page, in an index that yields them in order, and then reads the rows.
Every database turns the predicate on the cursor into a range of the index, unlike a row comparison or an
OFFSET.

A filter by project, statuses and language has an index of its own, and so has a filter by one tag and a
project. Other combinations walk an index for some of the filters and check the other filters for each key.
Such a walk is bounded, and the page ends where the bound is reached. The prefix of an id is a range of the
primary key. A text is searched in the rows of the walked keys. Lists with the oldest first use the same walks
in the opposite direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import lru_cache
from operator import ge, gt, le, lt
from typing import Any

import sqlalchemy as sa

from adapters.sql.mapping import LISTED_COLUMNS, STORED_STATES
from adapters.sql.tables import executions, job_tags, jobs, projects
from application.lists import JobFilter
from domain.execution_lifecycle import ExecutionState
from domain.job_lifecycle import JobStatus, Phase
from domain.tenant import TenantName
from domain.values import job_ids_from

# The index for each combination of filters: by project, by status, by language. It yields jobs in the order
# of a list. The hint is needed because MySQL and MariaDB sometimes choose another index. Indexes with the
# language include the status.
_INDEXES = {
    (False, False, False): "ix_jobs_created",
    (False, False, True): "ix_jobs_language",
    (False, True, False): "ix_jobs_status",
    (False, True, True): "ix_jobs_language",
    (True, False, False): "ix_jobs_project",
    (True, False, True): "ix_jobs_project_language",
    (True, True, False): "ix_jobs_project_status",
    (True, True, True): "ix_jobs_project_language",
}
_ID_DIGITS = 32
_ONE: sa.ColumnElement[int] = sa.literal_column("1")
_CLAIMED_INDEX = "ix_executions_leased"
_is_claimed = executions.c.state == STORED_STATES[ExecutionState.CLAIMED]
_has_started = executions.c.started_at.is_not(None)
_is_built = executions.c.building_at.is_not(None)
_JOB = sa.select(_ONE).select_from(
    jobs.outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
)
_CLAIMED = (
    sa.select(_ONE.label("one"))
    .select_from(executions)
    .with_hint(executions, f"FORCE INDEX ({_CLAIMED_INDEX})", "mysql")
    .where(_is_claimed)
    .limit(sa.bindparam("scanned"))
)
_JOB_ALONE = sa.select(_ONE).select_from(jobs)
# MySQL's name for the index of the primary key.
_PRIMARY_INDEX = "PRIMARY"
_NAMED = (
    sa.select(_ONE.label("one"))
    .select_from(jobs)
    .with_hint(jobs, f"FORCE INDEX ({_PRIMARY_INDEX})", "mysql")
    .where(jobs.c.job_id.between(sa.bindparam("first_id"), sa.bindparam("last_id")))
    .limit(sa.bindparam("scanned"))
)
# The phases of jobs that are RUNNING.
_LIVE = {
    Phase.WAITING: sa.and_(sa.not_(_has_started), sa.not_(_is_built)),
    Phase.BUILDING: sa.and_(sa.not_(_has_started), _is_built),
    Phase.RUNNING: _has_started,
}

Select = sa.Select[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class PageShape:
    """The combination of filters that are set. It determines the statement; their values are parameters.

    Attributes:
        statuses: The number of statuses in the filter; 0 if it has none or all.
        phases: The phases that RUNNING jobs may have; empty for any.
    """

    project: bool
    statuses: int
    phases: frozenset[Phase]
    language: bool
    tags: int
    ids: bool
    search: bool
    after: bool
    before: bool
    cursor: bool
    oldest: bool

    @classmethod
    def of(cls, wanted: JobFilter) -> "PageShape":
        """Return the shape of a filter."""
        return cls(
            project=wanted.project_id is not None,
            statuses=len(wanted.statuses) % len(JobStatus),
            phases=wanted.phases,
            language=wanted.language is not None,
            tags=len(wanted.tags),
            ids=wanted.id_prefix is not None,
            search=wanted.search is not None,
            after=wanted.created_after is not None,
            before=wanted.created_before is not None,
            cursor=wanted.cursor is not None,
            oldest=wanted.oldest_first,
        )

    @property
    def branches(self) -> int:
        """The number of index ranges of the list: one per status if the index includes the status."""
        return self.statuses or (len(JobStatus) if self.language else 0)

    @property
    def is_checked(self) -> bool:
        """Whether a filter is not covered by an index of the lists."""
        return bool(self.phases) or self.ids or self.search


class Source(Enum):
    """The indexes that a walk may use."""

    JOBS = auto()
    TAG = auto()
    CLAIMED = auto()  # claimed executions, which are not in the order of a list
    IDS = auto()  # ids with a common prefix, which are not in the order of a list either


@dataclass(frozen=True, slots=True)
class Walk:
    """A scan of jobs along an index. If it is exact, every job that it meets belongs to the list.

    Attributes:
        tag: The number of the tag, if the walk uses the index of tags.
    """

    source: Source
    tag: int = 0
    is_exact: bool = False

    @property
    def has_bound(self) -> bool:
        """Whether the walk can stop after any number of keys."""
        return self.source not in _LENGTHS


# Statements for the length of walks that are not in the order of a list. They must be shorter than the bound.
_LENGTHS = {Source.CLAIMED: _CLAIMED, Source.IDS: _NAMED}


def walks(shape: PageShape) -> list[Walk]:
    """Return the walks that find the jobs of a list; an exact walk comes first."""
    is_tag_alone = shape.tags == 1 and not (shape.branches or shape.is_checked)
    found = [Walk(Source.TAG, tag, is_tag_alone) for tag in range(shape.tags)]
    if shape.branches or not shape.tags:
        found.append(Walk(Source.JOBS, is_exact=not shape.tags and not shape.is_checked))
    if shape.phases and shape.statuses == 1 and Phase.WAITING not in shape.phases:
        found.append(Walk(Source.CLAIMED))
    if shape.ids:
        found.append(Walk(Source.IDS))
    return found


def by_statuses(wanted: JobFilter) -> JobFilter | None:
    """Replace phases with statuses where they are equivalent; return None if no status fits."""
    if not wanted.phases:
        return wanted
    live = wanted.phases.intersection(_LIVE)
    fits = {status: Phase.ENDED in wanted.phases for status in JobStatus if status.is_terminal}
    fits |= {JobStatus.PENDING: Phase.WAITING in wanted.phases, JobStatus.RUNNING: bool(live)}
    statuses = frozenset(status for status in wanted.statuses or JobStatus if fits[status])
    if not statuses:
        return None
    narrows = JobStatus.RUNNING in statuses and live != _LIVE.keys()
    return replace(wanted, statuses=statuses, phases=live if narrows else frozenset())


def page_parameters(tenant: TenantName, wanted: JobFilter) -> dict[str, object]:
    """Return the parameters for the statements of a filter's shape."""
    cursor = wanted.cursor
    digits = wanted.search and (wanted.search.replace("-", "") or "-")
    first_id, last_id = (None, None) if wanted.id_prefix is None else job_ids_from(wanted.id_prefix)
    return {
        "limit": wanted.limit,
        "tenant": tenant.value,
        "project_id": wanted.project_id,
        "language": wanted.language,
        "after": wanted.created_after,
        "before": wanted.created_before,
        "cursor_time": cursor and cursor.at,
        "cursor_id": cursor and cursor.id,
        "first_id": first_id,
        "last_id": last_id,
        "search": wanted.search,
        "search_id": digits,
        # The position from which the end of an id has the length of the searched digits.
        "search_id_at": _ID_DIGITS + 1 - min(len(digits or ""), _ID_DIGITS),
        **{
            f"wanted_status_{n}": status.value
            for n, status in enumerate(sorted(wanted.statuses or JobStatus))
        },
        **{f"tag_name_{n}": name for n, name in enumerate(wanted.tags)},
        **{f"tag_value_{n}": value for n, value in enumerate(wanted.tags.values())},
    }


@lru_cache(maxsize=512)
def page_statement(shape: PageShape, walk: Walk) -> Select:
    """Build the statement for a page of a walk. Cached, because building it takes longer than running it.

    Its rows are unsorted: to sort them, the database would first write them to a table with all their output.
    """
    keys = (_way(shape, walk, "limit") if walk.is_exact else _checked(shape, walk)).subquery("page")
    return (
        sa.select(*LISTED_COLUMNS.selected)
        .select_from(keys)
        .join(jobs, jobs.c.job_id == keys.c.job_id)
        .join(projects, projects.c.project_id == jobs.c.project_id)
        .outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
        .where(jobs.c.tenant == sa.bindparam("tenant"))
    )


@lru_cache(maxsize=512)
def last_key_statement(shape: PageShape, walk: Walk) -> Select:
    """Build the statement for the last key of a walk of `scanned` keys; no row if the walk is shorter."""
    way = _way(shape, walk, "scanned").subquery("way")
    last = sa.select(way.c.created_at, way.c.job_id).order_by(*_order(shape, way))
    return last.limit(1).offset(sa.bindparam("before_last"))


@lru_cache(maxsize=512)
def matches_statement(shape: PageShape, walk: Walk) -> sa.Select[int]:
    """Build the statement for the number of jobs that a walk finds, up to `limit`."""
    keys = (_way(shape, walk, "limit") if walk.is_exact else _checked(shape, walk)).subquery("page")
    return sa.select(sa.func.count().label("number")).select_from(keys)


@lru_cache(maxsize=512)
def count_statement(shape: PageShape) -> sa.CompoundSelect[int, int]:
    """Build the statement that counts the keys of each walk of a shape, up to `scanned`."""
    counts = []
    for number, walk in enumerate(walks(shape)):
        keys = _way(shape, walk, "scanned") if walk.has_bound else _LENGTHS[walk.source]
        length = sa.func.count().label("length")
        which: sa.Label[int] = sa.literal_column(str(number)).label("walk")
        counts.append(sa.select(which, length).select_from(keys.subquery(f"way_{number}")))
    return sa.union_all(*counts)


@lru_cache(maxsize=8)
def next_tag_statement(column: sa.Column[str], *, of_project: bool, follows: bool) -> sa.Select[str]:
    """Build the statement for the next tag name, or next value of a name, at or after a given one."""
    index, owner = ("ix_job_tags_project", "project_id") if of_project else ("ix_job_tags_value", "tenant")
    last = sa.bindparam("last", type_=column.type)
    found = sa.select(column.label("next")).where(
        job_tags.c[owner] == sa.bindparam(owner), column > last if follows else column >= last
    )
    if column is not job_tags.c.name:
        found = found.where(job_tags.c.name == sa.bindparam("name"))
    found = found.with_hint(job_tags, f"FORCE INDEX ({index})", "mysql")
    return found.order_by(column).limit(1)


def _checked(shape: PageShape, walk: Walk) -> Select:
    """Walk `scanned` keys, and select the keys that match the remaining filters."""
    way = _way(shape, walk, "scanned").subquery("way")
    keys = sa.select(way.c.created_at, way.c.job_id).where(*_checks(shape, walk, way))
    return _first(shape, keys, way)


def _checks(shape: PageShape, walk: Walk, way: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the filters that the walk's index does not cover.

    Each condition compares a scalar subquery for one key. With a join or EXISTS, the database might start
    with it instead of with the walk.
    """
    checks: list[sa.Select[int]] = []
    for number in range(shape.tags):
        if walk.source is not Source.TAG or number != walk.tag:
            tag = job_tags.alias(f"tag_{number}")
            checks.append(sa.select(_ONE).where(tag.c.job_id == way.c.job_id, _has_tag(tag, number)))
    of_job = [
        *_of_phases(shape, walk),
        *(_of_job(shape, jobs) if walk.source is Source.TAG else []),
        *([_has_text()] if shape.search else []),
    ]
    if of_job:
        checks.append((_JOB if shape.phases else _JOB_ALONE).where(jobs.c.job_id == way.c.job_id, *of_job))
    found = [check.scalar_subquery() == _ONE for check in checks]
    return [_is_named(way), *found] if shape.ids and walk.source is not Source.IDS else found


def _is_named(source: sa.FromClause) -> sa.ColumnElement[bool]:
    return source.c.job_id.between(sa.bindparam("first_id"), sa.bindparam("last_id"))


def _has_text() -> sa.ColumnElement[bool]:
    """Match a text in a job's description and tags (`name:value`), and at both ends of its id."""
    tag = job_tags.alias("searched")
    pair = sa.cast(tag.c.name, sa.Text) + ":" + sa.cast(tag.c.value, sa.Text)
    in_tag = sa.select(_ONE).where(tag.c.job_id == jobs.c.job_id, _position(pair, "search") > 0).limit(1)
    digits = sa.func.replace(sa.cast(jobs.c.job_id, sa.Text), "-", "")
    return sa.or_(
        _position(jobs.c.description, "search") > 0,
        in_tag.scalar_subquery() == _ONE,
        _position(digits, "search_id") == 1,
        _bytes(sa.func.substr(digits, sa.bindparam("search_id_at"))) == _lower_bytes("search_id"),
    )


def _position(column: sa.ColumnElement[str], name: str) -> sa.ColumnElement[int]:
    """Return the 1-based position of a text's bytes in a column, ignoring case; 0 if it does not occur."""
    return sa.func.instr(_bytes(sa.func.lower(column)), _lower_bytes(name))


def _lower_bytes(name: str) -> sa.ColumnElement[bytes]:
    return _bytes(sa.func.lower(sa.bindparam(name, type_=sa.Text)))


def _bytes(text: sa.ColumnElement[Any]) -> sa.ColumnElement[bytes]:
    """Return the bytes of a text, because collations of connections ignore accents or equate all emoji."""
    return sa.cast(text, sa.LargeBinary)


def _of_job(shape: PageShape, source: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if shape.statuses:
        conditions.append(
            source.c.status.in_([sa.bindparam(f"wanted_status_{n}") for n in range(shape.statuses)])
        )
    if shape.language:
        conditions.append(source.c.language == sa.bindparam("language"))
    return conditions


def _of_phases(shape: PageShape, walk: Walk) -> list[sa.ColumnElement[bool]]:
    if not shape.phases or walk.source is Source.CLAIMED:
        return []
    return [
        sa.or_(jobs.c.status != JobStatus.RUNNING.value, *(_LIVE[phase] for phase in sorted(shape.phases)))
    ]


def _way(shape: PageShape, walk: Walk, limit: str) -> Select:
    """Build the statement for the first keys of a walk."""
    if walk.source is Source.CLAIMED:
        return _claimed(shape, limit)
    if walk.source is Source.IDS:
        return _named(shape, limit)
    if walk.source is Source.TAG:
        tag = job_tags.alias(f"walked_{walk.tag}")
        keys = sa.select(tag.c.created_at, tag.c.job_id).where(_has_tag(tag, walk.tag), *_range(shape, tag))
        index = "ix_job_tags_project" if shape.project else "ix_job_tags_value"
        return _first(shape, _using(keys, tag, index), tag, limit)
    if not shape.branches:
        return _way_of_jobs(shape, [], limit)
    branches = [
        _way_of_jobs(shape, [jobs.c.status == sa.bindparam(f"wanted_status_{n}")], limit)
        for n in range(shape.branches)
    ]
    if len(branches) == 1:
        return branches[0]
    # Each status has its own range of the index. The first jobs overall are among the first of each range.
    parts = [sa.select(branch.subquery(f"status_{n}")) for n, branch in enumerate(branches)]
    union = sa.union_all(*parts).subquery("statuses")
    return _first(shape, sa.select(union.c.created_at, union.c.job_id), union, limit)


def _claimed(shape: PageShape, limit: str) -> Select:
    """Walk the claimed executions, and look up the job of each."""
    claimed = (
        _using(sa.select(executions.c.job_id, executions.c.execution_id), executions, _CLAIMED_INDEX)
        .where(_is_claimed, sa.or_(*(_LIVE[phase] for phase in sorted(shape.phases))))
        .limit(sa.bindparam(limit))
        .subquery("claimed")
    )
    created_at = (
        sa.select(jobs.c.created_at)
        .where(jobs.c.job_id == claimed.c.job_id, jobs.c.current_execution_id == claimed.c.execution_id)
        .where(*_of_job(shape, jobs), *_range(shape, jobs))
        .scalar_subquery()
    )
    found = sa.select(created_at.label("created_at"), claimed.c.job_id).subquery("found")
    keys = sa.select(found.c.created_at, found.c.job_id).where(found.c.created_at.is_not(None))
    return _first(shape, keys, found, limit)


def _named(shape: PageShape, limit: str) -> Select:
    """Walk the ids with a common prefix."""
    columns = (jobs.c.job_id, jobs.c.created_at, jobs.c.tenant, jobs.c.project_id, jobs.c.status)
    named = (
        _using(sa.select(*columns, jobs.c.language), jobs, _PRIMARY_INDEX)
        .where(_is_named(jobs))
        .limit(sa.bindparam(limit))
        .subquery("named")
    )
    keys = sa.select(named.c.created_at, named.c.job_id)
    return _first(shape, keys.where(*_of_job(shape, named), *_range(shape, named)), named, limit)


def _way_of_jobs(shape: PageShape, conditions: Sequence[sa.ColumnElement[bool]], limit: str) -> Select:
    if shape.language:
        conditions = [*conditions, jobs.c.language == sa.bindparam("language")]
    keys = sa.select(jobs.c.created_at, jobs.c.job_id).where(*conditions, *_range(shape, jobs))
    index = _INDEXES[shape.project, shape.statuses > 0, shape.language]
    return _first(shape, _using(keys, jobs, index), jobs, limit)


def _has_tag(tag: sa.FromClause, n: int) -> sa.ColumnElement[bool]:
    return sa.and_(tag.c.name == sa.bindparam(f"tag_name_{n}"), tag.c.value == sa.bindparam(f"tag_value_{n}"))


def _range(shape: PageShape, source: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    # Indexes by project omit the tenant, since a project has one tenant; the rows of a page are checked.
    owner = "project_id" if shape.project else "tenant"
    conditions: list[sa.ColumnElement[bool]] = [source.c[owner] == sa.bindparam(owner)]
    if shape.after:
        conditions.append(source.c.created_at > sa.bindparam("after"))
    if shape.before:
        conditions.append(source.c.created_at < sa.bindparam("before"))
    if shape.cursor:
        follows, is_at_or_follows = (gt, ge) if shape.oldest else (lt, le)
        time, job = source.c.created_at, source.c.job_id
        conditions.append(is_at_or_follows(time, sa.bindparam("cursor_time")))
        conditions.append(
            sa.or_(follows(time, sa.bindparam("cursor_time")), follows(job, sa.bindparam("cursor_id")))
        )
    return conditions


def _using(keys: Select, source: sa.FromClause, index: str) -> Select:
    return keys.with_hint(source, f"FORCE INDEX ({index})", "mysql")


def _first(shape: PageShape, keys: Select, source: sa.FromClause, limit: str = "limit") -> Select:
    return keys.order_by(*_order(shape, source)).limit(sa.bindparam(limit))


def _order(shape: PageShape, source: sa.FromClause) -> tuple[sa.ColumnElement[Any], sa.ColumnElement[Any]]:
    if shape.oldest:
        return source.c.created_at.asc(), source.c.job_id.asc()
    return source.c.created_at.desc(), source.c.job_id.desc()
