"""The statements of job lists.

A page is found by its keys first, in an index that yields them in order, and only then are its rows read.
The predicate on the cursor is one that every database turns into a range of the index; a comparison of rows,
or an OFFSET, is not.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from adapters.sql.mapping import EXECUTION_COLUMNS
from adapters.sql.packing import packed
from adapters.sql.tables import executions, job_tags, jobs, projects
from application.views import JobFilter
from domain.job_lifecycle import JobStatus

VIEW_COLUMNS = (
    jobs.c.job_id,
    projects.c.name,
    jobs.c.code_key,
    jobs.c.language,
    jobs.c.status,
    jobs.c.reason,
    jobs.c.created_at,
    jobs.c.updated_at,
    jobs.c.started_at,
    jobs.c.completed_at,
    jobs.c.tags,
)
# Which index has the jobs of a project, of a status, of a language in the order of a list. The databases are
# told, for what they guess is another one now and then. A status and a language together go by the status.
_INDEXES = {
    (False, False, False): "ix_jobs_created",
    (False, False, True): "ix_jobs_language",
    (False, True, False): "ix_jobs_status",
    (False, True, True): "ix_jobs_status",
    (True, False, False): "ix_jobs_project",
    (True, False, True): "ix_jobs_project_language",
    (True, True, False): "ix_jobs_project_status",
    (True, True, True): "ix_jobs_project_status",
}
# What a program reads can be a megabyte, and no list shows it.
_LISTED_EXECUTION = (*EXECUTION_COLUMNS[:-1], sa.null().label("stdin"))


@dataclass(frozen=True, slots=True)
class PageShape:
    """Which of the filters are given: what decides the statement, apart from the values."""

    project: bool
    statuses: int
    language: bool
    tags: int
    after: bool
    before: bool
    cursor: bool

    @classmethod
    def of(cls, wanted: JobFilter) -> "PageShape":
        """Return the shape of a filter. All the statuses together filter nothing."""
        return cls(
            project=wanted.project_id is not None,
            statuses=len(wanted.statuses) % len(JobStatus),
            language=wanted.language is not None,
            tags=len(wanted.tags),
            after=wanted.created_after is not None,
            before=wanted.created_before is not None,
            cursor=wanted.cursor is not None,
        )


def page_parameters(wanted: JobFilter) -> dict[str, object]:
    """Return the values for the statement of the filter's shape."""
    cursor = wanted.cursor
    return {
        "limit": wanted.limit,
        "project_id": wanted.project_id,
        "language": wanted.language,
        "after": wanted.created_after,
        "before": wanted.created_before,
        "cursor_time": cursor and cursor.created_at,
        "cursor_id": cursor and cursor.job_id,
        **{f"status_{n}": status.value for n, status in enumerate(sorted(wanted.statuses))},
        **{f"tag_name_{n}": name for n, name in enumerate(wanted.tags)},
        **{f"tag_value_{n}": value for n, value in enumerate(wanted.tags.values())},
    }


@lru_cache(maxsize=512)
def page_statement(shape: PageShape, *, is_packed: bool) -> sa.Select[tuple[Any, ...]]:
    """Build the statement for all filters of a shape; it is kept, for building costs more than running.

    Its rows come in any order: to sort them, the database would write them with all their output first.
    """
    keys = _keys(shape).subquery("page")
    columns = (*VIEW_COLUMNS, *_LISTED_EXECUTION)
    return (
        sa.select(*([packed(columns)] if is_packed else columns))
        .select_from(keys)
        .join(jobs, jobs.c.job_id == keys.c.job_id)
        .join(projects, projects.c.project_id == jobs.c.project_id)
        .outerjoin(executions, executions.c.execution_id == jobs.c.current_execution_id)
    )


def _keys(shape: PageShape) -> sa.Select[tuple[Any, ...]]:
    if shape.tags:
        return _keys_by_tag(shape)
    if shape.statuses <= 1:
        return _keys_of_jobs(shape, [jobs.c.status == sa.bindparam("status_0")] if shape.statuses else [])
    # Each status has its own range of the index; the newest of all are among the newest of each.
    branches = [
        sa.select(
            _keys_of_jobs(shape, [jobs.c.status == sa.bindparam(f"status_{n}")]).subquery(f"status_{n}")
        )
        for n in range(shape.statuses)
    ]
    union = sa.union_all(*branches).subquery("statuses")
    return _newest(sa.select(union.c.created_at, union.c.job_id), union)


def _keys_of_jobs(shape: PageShape, conditions: list[sa.ColumnElement[bool]]) -> sa.Select[tuple[Any, ...]]:
    if shape.language:
        conditions = [*conditions, jobs.c.language == sa.bindparam("language")]
    keys = sa.select(jobs.c.created_at, jobs.c.job_id).where(*conditions, *_range(shape, jobs))
    index = _INDEXES[shape.project, shape.statuses > 0, shape.language]
    return _newest(_using(keys, jobs, index), jobs)


def _keys_by_tag(shape: PageShape) -> sa.Select[tuple[Any, ...]]:
    """Walk through the jobs that have the first tag, and keep those that have the rest."""
    first, *others = (job_tags.alias(f"tag_{n}") for n in range(shape.tags))
    keys = sa.select(first.c.created_at, first.c.job_id).where(_has_tag(first, 0), *_range(shape, first))
    for n, other in enumerate(others, start=1):
        keys = keys.where(sa.exists().where(other.c.job_id == first.c.job_id, _has_tag(other, n)))
    if shape.statuses or shape.language:
        keys = keys.join(jobs, jobs.c.job_id == first.c.job_id)
    if shape.statuses:
        keys = keys.where(jobs.c.status.in_([sa.bindparam(f"status_{n}") for n in range(shape.statuses)]))
    if shape.language:
        keys = keys.where(jobs.c.language == sa.bindparam("language"))
    index = "ix_job_tags_project" if shape.project else "ix_job_tags_value"
    return _newest(_using(keys, first, index), first)


def _has_tag(tag: sa.FromClause, n: int) -> sa.ColumnElement[bool]:
    return sa.and_(tag.c.name == sa.bindparam(f"tag_name_{n}"), tag.c.value == sa.bindparam(f"tag_value_{n}"))


def _range(shape: PageShape, source: sa.FromClause) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    if shape.project:
        conditions.append(source.c.project_id == sa.bindparam("project_id"))
    if shape.after:
        conditions.append(source.c.created_at > sa.bindparam("after"))
    if shape.before:
        conditions.append(source.c.created_at < sa.bindparam("before"))
    if shape.cursor:
        conditions.append(source.c.created_at <= sa.bindparam("cursor_time"))
        conditions.append(
            sa.or_(
                source.c.created_at < sa.bindparam("cursor_time"),
                source.c.job_id < sa.bindparam("cursor_id"),
            )
        )
    return conditions


def _using(keys: sa.Select[tuple[Any, ...]], source: sa.FromClause, index: str) -> sa.Select[tuple[Any, ...]]:
    forced = keys.with_hint(source, f"FORCE INDEX ({index})", "mysql")
    return forced.with_hint(source, f"INDEXED BY {index}", "sqlite")


def _newest(keys: sa.Select[tuple[Any, ...]], source: sa.FromClause) -> sa.Select[tuple[Any, ...]]:
    order = source.c.created_at.desc(), source.c.job_id.desc()
    return keys.order_by(*order).limit(sa.bindparam("limit"))
