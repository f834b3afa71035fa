"""A project and its life.

ACTIVE ──archive──> ARCHIVED ──delete──> DELETED ──purge──> PURGED
   │  <──restore───     │
   ├──────────delete────┴──────────────> DELETED
   └──────────purge─────┴──────────────────────────────────> PURGED
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self

from domain.catalogue.text import text
from domain.errors import ProjectTransitionRefused
from domain.tenant import TenantName
from domain.values import ProjectId, ProjectName

# Work changes the time of a project's last activity no more often: uploads at once would wait for each other.
ACTIVITY_STEP = timedelta(minutes=1)


class ProjectStatus(StrEnum):
    """Whether a project takes work (ACTIVE), keeps its history only (ARCHIVED), or is gone.

    The jobs of one that is DELETED are there still, by their ids. The jobs of one that is PURGED are gone for
    every caller, and are removed one after the other, and the project at last.
    """

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"
    DELETED = "DELETED"
    PURGED = "PURGED"


class ProjectTrigger(StrEnum):
    """Causes of a transition."""

    ARCHIVE = "archive"
    RESTORE = "restore"
    DELETE = "delete"
    PURGE = "purge"


# What is not in the table is refused. A trigger that asks for the present status changes nothing.
TRANSITIONS: dict[tuple[ProjectStatus, ProjectTrigger], ProjectStatus] = {
    (ProjectStatus.ACTIVE, ProjectTrigger.ARCHIVE): ProjectStatus.ARCHIVED,
    (ProjectStatus.ACTIVE, ProjectTrigger.RESTORE): ProjectStatus.ACTIVE,
    (ProjectStatus.ACTIVE, ProjectTrigger.DELETE): ProjectStatus.DELETED,
    (ProjectStatus.ARCHIVED, ProjectTrigger.ARCHIVE): ProjectStatus.ARCHIVED,
    (ProjectStatus.ARCHIVED, ProjectTrigger.RESTORE): ProjectStatus.ACTIVE,
    (ProjectStatus.ARCHIVED, ProjectTrigger.DELETE): ProjectStatus.DELETED,
    (ProjectStatus.DELETED, ProjectTrigger.DELETE): ProjectStatus.DELETED,
    (ProjectStatus.ACTIVE, ProjectTrigger.PURGE): ProjectStatus.PURGED,
    (ProjectStatus.ARCHIVED, ProjectTrigger.PURGE): ProjectStatus.PURGED,
    (ProjectStatus.DELETED, ProjectTrigger.PURGE): ProjectStatus.PURGED,
    (ProjectStatus.PURGED, ProjectTrigger.PURGE): ProjectStatus.PURGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A name under which jobs are kept together.

    Attributes:
        active_at: When work was last given to it, or it was made; up to ACTIVITY_STEP earlier than that.
    """

    id: ProjectId
    tenant: TenantName
    name: ProjectName
    description: str | None
    status: ProjectStatus
    created_at: datetime
    active_at: datetime

    @property
    def is_live(self) -> bool:
        """Whether it is in lists, and its name is its own."""
        return self.status in {ProjectStatus.ACTIVE, ProjectStatus.ARCHIVED}

    def has_text(self, wanted: str) -> bool:
        """Whether a text is in its name or description, in letters of either case."""
        return any(wanted.lower() in text.lower() for text in (self.name.value, self.description or ""))

    def is_to_note(self, now: datetime) -> bool:
        """Whether work at a time is later than its last activity by so much that this is stored."""
        return now - self.active_at >= ACTIVITY_STEP

    def apply(self, trigger: ProjectTrigger) -> Self:
        """Take the project to the status that the trigger asks for.

        Raises:
            ProjectTransitionRefused: The status forbids the trigger.
        """
        to = TRANSITIONS.get((self.status, trigger))
        if to is None:
            raise ProjectTransitionRefused(
                text("problems.project_transition", trigger=trigger, status=self.status)
            )
        return replace(self, status=to)

    def ensure_takes_work(self) -> None:
        """Refuse new work for a project that is not active.

        Raises:
            ProjectTransitionRefused: The project is archived or deleted.
        """
        if self.status is not ProjectStatus.ACTIVE:
            raise ProjectTransitionRefused(
                text("problems.project_takes_no_work", name=self.name, status=self.status)
            )
