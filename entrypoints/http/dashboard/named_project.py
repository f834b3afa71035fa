"""The project that a page's URL names."""

from application.errors import NotFound
from domain.caller import Caller
from domain.errors import InvalidValue
from domain.project import Project
from entrypoints.http.dependencies import Api


def named_project(api: Api, caller: Caller, reference: str) -> Project:
    """Return a project by its name or id.

    Raises:
        NotFound: There is no such project, or the name is invalid.
    """
    try:
        return api.services.project_reader.get(caller, reference)
    except InvalidValue:
        raise NotFound("project", reference) from None
