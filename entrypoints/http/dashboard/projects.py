"""The page of all projects."""

import asyncio

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from application.queries.project_reader import RECENT_HOURS, ProjectReader
from application.use_cases.change_project import ChangeProject
from domain.caller import Caller, Scope
from domain.project import ProjectTrigger
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.formatting import project_url
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

_PAGE_SIZE = 20


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
        page: FromQuery[int] = 1,
    ) -> Response[bytes]:
        """Show the projects."""
        return pages.page(request, "projects.html", _context(api.services.project_reader, caller, page))

    @get("/projects", sync_to_thread=True, scope=Scope.JOBS_READ)
    def refresh(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        pages: NamedDependency[Pages],
        page: FromQuery[int] = 1,
    ) -> Response[bytes]:
        """Show the list alone."""
        return pages.part(request, "_projects.html", _context(api.services.project_reader, caller, page))

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
        """Have the project take no new work."""
        return await _change(request, caller, project, api.services.change_project, ProjectTrigger.ARCHIVE)

    @post("/projects/{project:str}/restore", scope=Scope.PROJECTS_WRITE)
    async def restore(
        self,
        request: AnyRequest,
        project: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Have an archived project take work again."""
        return await _change(request, caller, project, api.services.change_project, ProjectTrigger.RESTORE)


async def _change(
    request: AnyRequest, caller: Caller, project: str, change_project: ChangeProject, trigger: ProjectTrigger
) -> Response[bytes] | Redirect:
    await read_form(request)
    await asyncio.to_thread(change_project, caller, project, trigger)
    return go_to(request, project_url(project))


def _context(project_reader: ProjectReader, caller: Caller, page: int) -> dict[str, object]:
    return {"page": project_reader.summaries(caller, page, _PAGE_SIZE), "hours": RECENT_HOURS}
