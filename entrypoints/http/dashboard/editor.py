"""The editor: its page, which can start from the program of a job, and the form that runs its program."""

import asyncio

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.errors import NotFound
from application.file_spool import FileSpool
from application.views import JobDetails, JobView
from domain.caller import Caller, Scope
from domain.values import JobId, ProjectId
from entrypoints.http.csrf import read_file_form
from entrypoints.http.dashboard.cases import cases_context
from entrypoints.http.dashboard.code import line_addresses
from entrypoints.http.dashboard.editor_contents import EditorContents, editor_context
from entrypoints.http.dashboard.editor_form import editor_command
from entrypoints.http.dashboard.job_state import state_context
from entrypoints.http.dashboard.named_project import named_project
from entrypoints.http.dashboard.pages import Pages, go_to, is_partial
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import MULTIPART, AnyRequest, JsonRequest
from entrypoints.http.parameters import existing_job

# The query parameter and form field that names the edited job.
_FROM = "from"


class EditorPages(Controller):
    """The editor of a project, and its form."""

    path = "/projects/{project:str}"

    @get("/edit", scope=Scope.JOBS_WRITE)
    async def edit(
        self,
        request: AnyRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the editor, with the program of the job in `from`."""

        def show() -> Response[bytes]:
            found = named_project(api, caller, project)
            details = _origin(api, caller, found.id, request.query_params.get(_FROM, ""))
            contents = None
            if details is not None:
                contents = EditorContents.of(details, api.services.read_code(details.job))
            return pages.page(request, "editor.html", editor_context(api, caller, found, contents))

        return await api.storage_threads.run(show)

    @post("/run", scope=Scope.JOBS_WRITE, opt={MULTIPART: True})
    async def run(
        self,
        request: JsonRequest,
        project: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Run the program in the editor, and show its output or the results of its cases live."""
        form = await read_file_form(request)

        def run() -> JobView:
            with form.spool, FileSpool() as spool:
                found = named_project(api, caller, project)
                origin = _origin(api, caller, found.id, form.fields.get(_FROM, ""))
                runtimes = api.services.cluster_reader.runtimes()
                command = editor_command(found.id, form, origin, runtimes, api.settings, spool)
                return api.services.upload_code(caller, command)

        job = await api.storage_threads.run(run)
        if not is_partial(request):
            return go_to(request, f"/dashboard/jobs/{job.job_id}")
        context = await asyncio.to_thread(_live_context, api, caller, job.job_id, form.fields.get("code", ""))
        return pages.page(request, "_live.html", context)


def _origin(api: Api, caller: Caller, project: ProjectId, job_id: str) -> JobDetails | None:
    """Return the edited job, whose code and files the caller may read, or None if none is named.

    Raises:
        NotFound: The project has no such job.
        ScopeMissing: The caller may run programs, but may not read the programs of others.
    """
    if not job_id:
        return None
    caller.require(Scope.LOGS_READ)
    details = api.services.job_reader.get(caller, existing_job(job_id))
    if details.job.project_id != project:
        raise NotFound("job", job_id)
    return details


def _live_context(api: Api, caller: Caller, job_id: JobId, code: str) -> dict[str, object]:
    timeline = api.services.job_reader.timeline(caller, job_id)
    details = api.services.job_reader.with_cases(caller, job_id)
    addresses = line_addresses(details.job, code, f"/dashboard/jobs/{job_id}")
    return {"version": "", "addresses": addresses, **state_context(timeline), **cases_context(details)}
