"""The project that a caller names."""

from application.errors import NotFound
from application.ports.unit_of_work import Transaction
from domain.caller import Caller
from domain.project import Project
from domain.values import parse_project_reference


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
