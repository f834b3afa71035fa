"""The project that a caller names."""

from collections.abc import Iterable
from datetime import datetime

from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from domain.caller import Caller
from domain.project import Project
from domain.values import ProjectId, ProjectName, parse_project_reference


def existing_project(transaction: Transaction, caller: Caller, name_or_id: str) -> Project:
    """Return a project that is not deleted.

    Raises:
        InvalidValue: The text can be neither a name nor an id.
        NotFound: There is no such project.
    """
    reference = parse_project_reference(name_or_id)
    project = transaction.projects.get(caller, reference)
    if project is None or not project.is_live:
        raise NotFound("project", reference)
    return project


def ensure_work_is_taken(
    transaction: Transaction, caller: Caller, references: Iterable[ProjectId | ProjectName]
) -> None:
    """Refuse new work for projects before anything of it is stored, which no quota would count.

    Raises:
        NotFound: There is no project of an id, or the caller reaches none of a name.
        ProjectTransitionRefused: A project is archived.
    """
    for reference in references:
        project = transaction.projects.get(caller, reference)
        if project is not None and project.is_live:
            project.ensure_takes_work()
        elif caller.project is not None or not isinstance(reference, ProjectName):
            raise NotFound("project", reference)


def note_activity(transaction: Transaction, project: Project, now: datetime) -> None:
    """Store that work is given to a project, before the work: a later lock of its row could be a deadlock."""
    if project.is_to_note(now):
        transaction.projects.note_activity(project.id, now)
