"""Projects: create, list and change."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, delete, get, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg, QueryParameter
from msgspec import Meta, Struct

from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.project import Project, ProjectStatus, ProjectTrigger
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import ProjectInPath, only_one


class ProjectRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A project to get or create."""

    project_name: Annotated[str | None, Meta(description="The project's name.", examples=["hello"])] = None
    description: Annotated[str | None, Meta(description="A description for people.")] = None


_Body = Annotated[
    ProjectRequest | None,
    BodyKwarg(
        examples=[
            Example(summary="Make a project", value={"project_name": "hello", "description": "First steps"})
        ]
    ),
]
_Name = Annotated[str | None, QueryParameter(description="The project's name, either here or in the body.")]
_Purge = Annotated[
    bool, QueryParameter(description="Also remove the project's jobs with their code and logs.")
]
_Description = Annotated[
    str | None, QueryParameter(description="A description for people, either here or in the body.")
]


class ProjectResponse(Struct, kw_only=True):
    """A project."""

    project_id: Annotated[int, Meta(examples=[3])]
    project: Annotated[str, Meta(description="The project's name.", examples=["hello"])]
    description: Annotated[
        str, Meta(description="The description; empty if none was given.", examples=["First steps"])
    ]
    status: ProjectStatus
    created_at: datetime


class ProjectsController(Controller):
    """Projects."""

    tags = ("Projects",)

    @get(
        "/projects",
        sync_to_thread=True,
        **openapi_docs("listProjects", "List projects", scope=Scope.JOBS_READ),
    )
    def list_all(self, caller: NamedDependency[Caller], api: NamedDependency[Api]) -> list[ProjectResponse]:
        """List projects."""
        return [_shown(project) for project in api.services.project_reader.all(caller)]

    @post(
        "/project",
        status_code=200,
        sync_to_thread=True,
        opt={"names": {"project": "project_name"}},
        **openapi_docs(
            "createProject",
            "Get or create a project",
            "If a project with this name exists, it is returned unchanged.",
            problems=(404, 409),
            scope=Scope.PROJECTS_WRITE,
        ),
    )
    def create(
        self,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        data: _Body = None,
        project_name: _Name = None,
        description: _Description = None,
    ) -> ProjectResponse:
        """Get or make a project."""
        name = only_one("project", project_name, None if data is None else data.project_name)
        if name is None:
            raise InvalidValue("project", text("problems.required_in_query_or_body"))
        about = only_one("description", description, None if data is None else data.description)
        return _shown(api.services.create_project(caller, name, about))

    @post(
        "/projects/{project:str}/archive",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "archiveProject",
            "Archive a project",
            "The project keeps its history and accepts no new jobs; running jobs continue.",
            problems=(404, 409),
            scope=Scope.PROJECTS_WRITE,
        ),
    )
    def archive(
        self, project: ProjectInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> ProjectResponse:
        """Archive a project."""
        return _shown(api.services.change_project(caller, project, ProjectTrigger.ARCHIVE))

    @post(
        "/projects/{project:str}/restore",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "restoreProject",
            "Restore an archived project",
            "The project accepts jobs again.",
            problems=(404, 409),
            scope=Scope.PROJECTS_WRITE,
        ),
    )
    def restore(
        self, project: ProjectInPath, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> ProjectResponse:
        """Restore an archived project."""
        return _shown(api.services.change_project(caller, project, ProjectTrigger.RESTORE))

    @delete(
        "/projects/{project:str}",
        status_code=200,
        sync_to_thread=True,
        **openapi_docs(
            "deleteProject",
            "Delete a project",
            "Removes it from all lists and frees its name; its jobs can still be read by their ids. With "
            "`purge`, the jobs are deleted too: immediately for callers, and shortly afterwards from the "
            "database and the object stores. A project that was deleted before is purged by its id.",
            problems=(404, 409),
            scope=Scope.PROJECTS_WRITE,
        ),
    )
    def delete(
        self,
        project: ProjectInPath,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
        purge: _Purge = False,  # noqa: FBT002 - a query parameter
    ) -> ProjectResponse:
        """Delete a project, or purge it."""
        trigger = ProjectTrigger.PURGE if purge else ProjectTrigger.DELETE
        return _shown(api.services.change_project(caller, project, trigger))


def _shown(project: Project) -> ProjectResponse:
    return ProjectResponse(
        project_id=project.id,
        project=project.name.value,
        description=project.description or "",
        status=project.status,
        created_at=project.created_at,
    )
