"""The page of a project: its editor, and the filtered history of its jobs."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from domain.caller import Caller, Scope
from domain.project import Project
from entrypoints.http.dashboard.editor_contents import editor_context
from entrypoints.http.dashboard.history import HistoryForm, history_context
from entrypoints.http.dashboard.named_project import named_project
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dashboard.retention import retention_sentence
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest


class ProjectPages(Controller):
    """One project: its editor, and the history of its jobs."""

    path = "/projects/{project:str}"

    @get(sync_to_thread=True, scope=Scope.JOBS_READ)
    def show(
        self,
        request: AnyRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the project."""
        found = named_project(api, caller, project)
        return pages.page(
            request,
            "project.html",
            {
                "languages": api.services.cluster_reader.languages(),
                "version": "",
                "retention": retention_sentence(
                    api.services.retention_reader.of_project(caller, str(found.id))
                ),
                **editor_context(api, caller, found),
                **history_context(api, caller, _chosen(request, found)),
            },
        )

    @get("/jobs", sync_to_thread=True, scope=Scope.JOBS_READ)
    def history(
        self,
        request: AnyRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the history; its filters become part of the page's URL."""
        chosen = _chosen(request, named_project(api, caller, project))
        headers = {} if "seen" in request.query_params else {"HX-Push-Url": chosen.url()}
        return pages.part(request, "_history.html", history_context(api, caller, chosen), headers)


def _chosen(request: AnyRequest, project: Project) -> HistoryForm:
    return HistoryForm.read(request.query_params, project.name.value)
