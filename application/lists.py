"""Lists for callers: their filters, orders and cursors, and the pages that are found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from application.views import JobView
from domain.audit import LedgerEntry
from domain.job_lifecycle import JobStatus, Phase
from domain.project import Project
from domain.tenant import TenantName
from domain.values import ProjectId


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last job, batch or delivery of a page: the next page begins after it.

    Attributes:
        at: Its time in the list: when it was created or, for a delivery, when its event occurred.
    """

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Filter of a list of jobs; the jobs match all given conditions.

    Attributes:
        limit: The maximum number of jobs.
        id_prefix: The digits with which their ids begin.
        search: A text in their description, in a tag as `name:value`, or at the beginning or the end of their
            id; ASCII letters match in either case.
        cursor: The last job of the previous page.
        oldest_first: Whether the oldest jobs come first instead of the newest.
    """

    limit: int
    project_id: ProjectId | None = None
    statuses: frozenset[JobStatus] = frozenset()
    phases: frozenset[Phase] = frozenset()
    language: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    id_prefix: str | None = None
    search: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    cursor: Cursor | None = None
    oldest_first: bool = False


@dataclass(frozen=True, slots=True)
class FoundJobs:
    """Jobs of a list, in its order.

    Attributes:
        resume_after: Where the search stopped, if it stopped before finding as many jobs as requested.
    """

    jobs: Sequence[JobView]
    resume_after: Cursor | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """A number of things, counted up to a bound.

    Attributes:
        is_exact: Whether the number is exact, not a lower bound.
    """

    number: int
    is_exact: bool = True


class ProjectOrder(StrEnum):
    """The orders of a list of projects: most recent first, or by name."""

    ACTIVITY = "activity"
    NAME = "name"
    CREATED = "created"


@dataclass(frozen=True, slots=True)
class ProjectCursor:
    """The last project of a page: the next page begins after it.

    Attributes:
        value: Its sort value in the list; None if the list is sorted by id.
    """

    value: datetime | str | None
    project_id: ProjectId


def cursor_after(project: Project, order: ProjectOrder) -> ProjectCursor:
    """Return the cursor after a project in a list."""
    if order is ProjectOrder.CREATED:
        return ProjectCursor(None, project.id)
    is_by_name = order is ProjectOrder.NAME
    return ProjectCursor(project.name.value if is_by_name else project.active_at, project.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFilter:
    """Filter of a list of projects that are not deleted.

    Attributes:
        limit: The maximum number of projects.
        search: A text in their name or description; ASCII letters match in either case.
        cursor: The last project of the previous page.
    """

    limit: int
    order: ProjectOrder = ProjectOrder.ACTIVITY
    search: str | None = None
    cursor: ProjectCursor | None = None


@dataclass(frozen=True, slots=True)
class FoundProjects:
    """Projects of a list, in its order.

    Attributes:
        next: Where the next page begins, if there may be one; the page may have fewer projects than the
            limit.
    """

    projects: Sequence[Project]
    next: ProjectCursor | None = None


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """The last entry of a page of the audit log: the next page begins after it."""

    at: datetime
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Filter of audit entries; the entries match all given conditions.

    Attributes:
        limit: The maximum number of entries.
        tenant: None for all tenants, and for unauthenticated callers.
        since: The earliest time, inclusive.
        until: The latest time, exclusive.
        cursor: The last entry of the previous page.
    """

    limit: int
    tenant: TenantName | None = None
    project_id: ProjectId | None = None
    act: str | None = None
    principal: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    cursor: AuditCursor | None = None


@dataclass(frozen=True, slots=True)
class FoundEntries:
    """Entries of the audit log, newest first.

    Attributes:
        resume_after: Where the search stopped, if it stopped before finding as many entries as requested.
    """

    entries: Sequence[LedgerEntry]
    resume_after: AuditCursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    """Filter of a tenant's usage by day and project.

    Attributes:
        limit: The maximum number of rows, one per day and project.
        since: The first day.
        until: The last day.
        cursor: The last day and project of the previous page.
    """

    limit: int
    tenant: TenantName
    since: date
    until: date
    project_id: ProjectId | None = None
    cursor: tuple[date, ProjectId] | None = None
