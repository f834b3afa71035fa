"""Lookup of the project that a caller names."""

from collections.abc import Iterable
from datetime import datetime

from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from domain.caller import Caller
from domain.project import Project
from domain.values import ProjectId, ProjectName, parse_project_reference


def existing_project(transaction: Transaction, caller: Caller, reference: ProjectId | ProjectName) -> Project:
    """Return a project that is not deleted.

    Raises:
        NotFound: There is no such project.
    """
    project = transaction.projects.get(caller, reference)
    if project is None or not project.is_live:
        raise NotFound("project", reference)
    return project


def optional_project(transaction: Transaction, caller: Caller, name_or_id: str | None) -> Project | None:
    """Return the named project, else the caller's only one; None if the caller can access all projects.

    Raises:
        InvalidValue: The reference is neither a valid name nor a valid id.
        NotFound: There is no such project.
    """
    reference = caller.project if name_or_id is None else parse_project_reference(name_or_id)
    return None if reference is None else existing_project(transaction, caller, reference)


def project_for_work(
    transaction: Transaction, caller: Caller, reference: ProjectId | ProjectName, now: datetime
) -> Project:
    """Return the project of an upload, and create it if it is given by a name that does not exist.

    Raises:
        NotFound: There is no project with the id, or the caller cannot access the named project.
    """
    if isinstance(reference, ProjectName):
        project = transaction.projects.get_or_add(caller, reference, None, now)
    else:
        project = existing_project(transaction, caller, reference)
    note_activity(transaction, project, now)
    return project


def ensure_work_is_taken(
    transaction: Transaction, caller: Caller, references: Iterable[ProjectId | ProjectName]
) -> None:
    """Refuse new work for projects before anything is stored for it that no quota would count.

    Raises:
        NotFound: There is no project with an id, or the caller cannot access the named project.
        ProjectTransitionRefused: A project is archived.
    """
    for reference in references:
        project = transaction.projects.get(caller, reference)
        if project is not None and project.is_live:
            project.ensure_takes_work()
        elif caller.project is not None or not isinstance(reference, ProjectName):
            raise NotFound("project", reference)


def note_activity(transaction: Transaction, project: Project, now: datetime) -> None:
    """Record activity in a project. It comes before the work, because a later row lock could deadlock."""
    if project.is_to_note(now):
        transaction.projects.note_activity(project.id, now)
