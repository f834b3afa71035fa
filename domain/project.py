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

# The time of a project's last activity is updated at most this often, so that uploads rarely wait for its
# row.
ACTIVITY_STEP = timedelta(minutes=1)


class ProjectStatus(StrEnum):
    """Whether a project takes work (ACTIVE), only keeps its history (ARCHIVED), or is gone.

    The jobs of a DELETED project can still be read by their ids. The jobs of a PURGED project are hidden from
    every caller, and are removed in the background together with the project.
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


# A pair without a row is refused. A trigger for the present status changes nothing.
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
    """A named collection of jobs.

    Attributes:
        active_at: When it was created or last given work, up to ACTIVITY_STEP earlier than the actual time.
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
        """Whether it is listed and its name is taken."""
        return self.status in {ProjectStatus.ACTIVE, ProjectStatus.ARCHIVED}

    def has_text(self, wanted: str) -> bool:
        """Whether its name or description contains a text, ignoring case."""
        return any(wanted.lower() in text.lower() for text in (self.name.value, self.description or ""))

    def is_to_note(self, now: datetime) -> bool:
        """Whether work at a time is late enough after the last activity to be recorded."""
        return now - self.active_at >= ACTIVITY_STEP

    def apply(self, trigger: ProjectTrigger) -> Self:
        """Change the project's status as the trigger requests.

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
        """Require that the project is active.

        Raises:
            ProjectTransitionRefused: The project is archived or deleted.
        """
        if self.status is not ProjectStatus.ACTIVE:
            raise ProjectTransitionRefused(
                text("problems.project_takes_no_work", name=self.name, status=self.status)
            )
