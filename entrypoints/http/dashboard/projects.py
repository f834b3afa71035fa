"""The page of all projects."""

import asyncio
import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect
from msgspec import Meta

from application.lists import ProjectCursor, ProjectFilter, ProjectOrder
from application.queries.project_reader import RECENT_HOURS, ProjectReader
from application.use_cases.change_project import ChangeProject
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.project import ProjectTrigger
from domain.values import ProjectId
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.formatting import project_url
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import MAX_SEARCH_CHARS

_PAGE = "/dashboard"
_PAGE_SIZE = 20
_Id = Annotated[int, Meta(ge=0, lt=1 << 53)]
_CURSORS: Mapping[ProjectOrder, Any] = {
    ProjectOrder.ACTIVITY: tuple[datetime, _Id],
    ProjectOrder.NAME: tuple[str, _Id],
    ProjectOrder.CREATED: tuple[None, _Id],
}


@dataclass(frozen=True, slots=True)
class ProjectsForm:
    """The search text and the order of the list. An unknown order means by last activity."""

    q: str = ""
    sort: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, request: AnyRequest) -> "ProjectsForm":
        """Read the choices from the URL."""
        return cls(**{name: request.query_params.get(name, "").strip() for name in cls.__slots__})

    @property
    def order(self) -> ProjectOrder:
        """The order of the list."""
        return ProjectOrder(self.sort) if self.sort in set(ProjectOrder) else ProjectOrder.ACTIVITY

    def filter(self) -> ProjectFilter:
        """Return the filter for these choices.

        Raises:
            InvalidValue: The text is too long, or the cursor is malformed.
        """
        if len(self.q) > MAX_SEARCH_CHARS:
            raise InvalidValue("q", text("problems.search_length", maximum=MAX_SEARCH_CHARS))
        return ProjectFilter(
            limit=_PAGE_SIZE,
            order=self.order,
            search=self.q or None,
            cursor=_read_cursor(self.order, self.cursor) if self.cursor else None,
        )

    def url(self, *, part: bool = False, **changed: str) -> str:
        """Return the URL with these choices and some changes."""
        chosen = {name: getattr(self, name) for name in self.__slots__} | changed
        query = urlencode({name: value for name, value in chosen.items() if value})
        return (f"{_PAGE}/projects" if part else _PAGE) + (f"?{query}" if query else "")


class ProjectsPages(Controller):
    """All projects."""

    path = "/"

    @get(sync_to_thread=True, scope=Scope.JOBS_READ)
    def show(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        pages: NamedDependency[Pages],
    ) -> Response[bytes]:
        """Show the projects."""
        chosen = ProjectsForm.of(request)
        return pages.page(request, "projects.html", _context(api.services.project_reader, caller, chosen))

    @get("/projects", sync_to_thread=True, scope=Scope.JOBS_READ)
    def refresh(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        pages: NamedDependency[Pages],
    ) -> Response[bytes]:
        """Show only the list; its choices become part of the page's URL."""
        chosen = ProjectsForm.of(request)
        headers = {} if "seen" in request.query_params else {"HX-Push-Url": chosen.url()}
        context = _context(api.services.project_reader, caller, chosen)
        return pages.part(request, "_projects.html", context, headers)

    @post("/projects", scope=Scope.PROJECTS_WRITE)
    async def create(
        self, request: AnyRequest, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> Response[bytes] | Redirect:
        """Create a project, and show it."""
        form = await read_form(request)
        description = form.get("description", "").strip() or None
        project = await asyncio.to_thread(
            api.services.create_project, caller, form.get("name", ""), description
        )
        return go_to(request, project_url(project.name))

    @post("/projects/{project:str}/archive", scope=Scope.PROJECTS_WRITE)
    async def archive(
        self,
        request: AnyRequest,
        project: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Archive a project."""
        return await _change(request, caller, project, api.services.change_project, ProjectTrigger.ARCHIVE)

    @post("/projects/{project:str}/restore", scope=Scope.PROJECTS_WRITE)
    async def restore(
        self,
        request: AnyRequest,
        project: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Restore an archived project."""
        return await _change(request, caller, project, api.services.change_project, ProjectTrigger.RESTORE)

    @post("/projects/{project:str}/delete", scope=Scope.PROJECTS_WRITE)
    async def delete(
        self,
        request: AnyRequest,
        project: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Delete a project with its jobs, their code and their output."""
        await read_form(request)
        await asyncio.to_thread(api.services.change_project, caller, project, ProjectTrigger.PURGE)
        return go_to(request, _PAGE)


async def _change(
    request: AnyRequest, caller: Caller, project: str, change_project: ChangeProject, trigger: ProjectTrigger
) -> Response[bytes] | Redirect:
    await read_form(request)
    await asyncio.to_thread(change_project, caller, project, trigger)
    return go_to(request, project_url(project))


def _context(project_reader: ProjectReader, caller: Caller, chosen: ProjectsForm) -> dict[str, object]:
    page = project_reader.summaries(caller, chosen.filter())
    following = None if page.next is None else _write_cursor(page.next)
    return {
        "page": page,
        "hours": RECENT_HOURS,
        "orders": tuple(ProjectOrder),
        "chosen": chosen,
        "here": chosen.url(part=True),
        "newest": chosen.url(cursor=""),
        "newest_part": chosen.url(part=True, cursor=""),
        "older": following and chosen.url(cursor=following),
        "older_part": following and chosen.url(part=True, cursor=following),
    }


def _write_cursor(cursor: ProjectCursor) -> str:
    value = cursor.value.isoformat() if isinstance(cursor.value, datetime) else cursor.value
    return base64.urlsafe_b64encode(msgspec.json.encode((value, cursor.project_id))).decode()


def _read_cursor(order: ProjectOrder, given: str) -> ProjectCursor:
    """Decode a cursor of a list in an order.

    Raises:
        InvalidValue: The text is not from `_write_cursor`.
    """
    try:
        read = base64.b64decode(given, altchars=b"-_", validate=True)
        value, project_id = msgspec.json.decode(read, type=_CURSORS[order])
        value = value.astimezone(UTC) if isinstance(value, datetime) else value
    except (binascii.Error, OverflowError, ValueError):
        raise InvalidValue("cursor", text("problems.cursor")) from None
    return ProjectCursor(value, ProjectId(project_id))
