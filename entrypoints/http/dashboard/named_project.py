"""The project that the address of a page names."""

from application.errors import NotFound
from domain.caller import Caller
from domain.errors import InvalidValue
from domain.project import Project
from entrypoints.http.dependencies import Api


def named_project(api: Api, caller: Caller, reference: str) -> Project:
    """Return a project by its name or its id. A name that cannot be is that of no project.

    Raises:
        NotFound: There is no such project.
    """
    try:
        return api.services.project_reader.get(caller, reference)
    except InvalidValue:
        raise NotFound("project", reference) from None
