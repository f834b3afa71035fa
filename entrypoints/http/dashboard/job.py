"""The page of a job: its state, output and usage."""

import asyncio
import shlex
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from litestar import Controller, MediaType, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.commands import UploadCodeCommand
from application.errors import NotFound
from application.queries.timeline import Timeline
from application.use_cases.read_code import ReadCode
from application.use_cases.run_again import given
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.files import find_entry
from domain.language import parse_language
from entrypoints.http.controllers.artifacts import UNTRUSTED
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.cases import cases_context
from entrypoints.http.dashboard.code import code_context
from entrypoints.http.dashboard.formatting import inert_json
from entrypoints.http.dashboard.job_state import state_context
from entrypoints.http.dashboard.pages import Pages, go_to
from entrypoints.http.dashboard.translation import language_of_visitor
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import existing_job
from entrypoints.http.streaming.spooled_body import SpooledBody

_DEFAULTS = asdict(UploadCodeCommand(project="", code="", language=""))
_WAIT_S = 30
# Cases may be hidden, and files and cases may together exceed the size of a command line.
_WITHOUT_FILES = text("job.curl_without_files")
_WITHOUT_CASES = text("job.curl_without_cases")


class JobPages(Controller):
    """One job: its state and reason, output and usage."""

    path = "/jobs/{job:str}"

    @get(scope=Scope.LOGS_READ)
    async def show(
        self,
        request: AnyRequest,
        job: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Show the job. The id in the path may be a prefix, which is redirected."""

        def show() -> Response[bytes] | Redirect:
            job_id = api.job_id(caller, job)
            if str(job_id) != job:
                return go_to(request, f"/dashboard/jobs/{job_id}")
            timeline = api.services.job_reader.timeline(caller, job_id)
            code = _code(api.services.read_code, timeline)
            details = api.services.job_reader.with_cases(caller, timeline.details.job.id)
            job_context = {**state_context(timeline), **cases_context(details)}
            context = {"version": "", **job_context, **code_context(timeline.details.job, code)}
            return pages.page(request, "job.html", context)

        return await api.storage_threads.run(show)

    @get("/state", sync_to_thread=True, scope=Scope.JOBS_READ)
    def state(
        self,
        request: AnyRequest,
        job: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the state of the job, without the surrounding page."""
        return pages.part(
            request, "_state.html", state_context(api.services.job_reader.timeline(caller, existing_job(job)))
        )

    @get("/summary", sync_to_thread=True, scope=Scope.JOBS_READ)
    def summary(
        self,
        request: AnyRequest,
        job: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the state of the job in one line, for the panel of a run."""
        timeline = api.services.job_reader.timeline(caller, existing_job(job))
        return pages.part(request, "_summary.html", state_context(timeline))

    @get("/cases", sync_to_thread=True, scope=Scope.JOBS_READ)
    def cases(
        self,
        request: AnyRequest,
        job: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the results of the job's cases, without the surrounding page."""
        details = api.services.job_reader.with_cases(caller, existing_job(job))
        return pages.part(request, "_cases.html", cases_context(details))

    @get("/code", sync_to_thread=True, media_type=MediaType.TEXT, scope=Scope.LOGS_READ)
    def show_code(
        self, job: FromPath[str], caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> Response[str]:
        """Show only the code."""
        details = api.services.job_reader.get(caller, existing_job(job))
        return Response(api.services.read_code(details.job), headers=UNTRUSTED)

    @get("/files/{path:path}", media_type=MediaType.TEXT, scope=Scope.LOGS_READ)
    async def show_file(
        self,
        job: FromPath[str],
        path: FromPath[Path],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[Any]:
        """Show a file that was uploaded with the code."""

        def read() -> Response[Any]:
            file = api.services.read_file(caller, existing_job(job), str(path).lstrip("/"))
            return SpooledBody(file.data, api.spool_space).response("text/plain", UNTRUSTED)

        return await api.log_limiter.run(read)

    @get("/curl", media_type=MediaType.TEXT, scope=Scope.LOGS_READ)
    async def show_curl(
        self,
        request: AnyRequest,
        job: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> str:
        """Show the curl command that submits the same job."""

        def command() -> UploadCodeCommand:
            details = api.services.job_reader.get(caller, existing_job(job))
            same = given(details, api.services.read_code(details.job))
            return replace(same, project=details.project.value)

        same = await api.storage_threads.run(command)
        shown = replace(
            same, entry=_given_entry(same), cases_of=None, files=(), stdin_blob=None, stdin_file=None
        )
        curl = _curl(f"{request.url.scheme}://{request.url.netloc}", shown)
        has_files = bool(same.files or same.stdin_blob)
        left_out = [_WITHOUT_FILES] * has_files + [_WITHOUT_CASES] * (same.cases_of is not None)
        language = language_of_visitor(request)
        return "\n".join((*(f"# {note.into(language)}" for note in left_out), curl))

    @post("/cancel", scope=Scope.JOBS_WRITE)
    async def cancel(
        self,
        request: AnyRequest,
        job: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Cancel the job. A page that follows the job shows the change itself."""
        form = await read_form(request)
        await asyncio.to_thread(api.services.cancel_job, caller, existing_job(job))
        if form.get("stay"):
            return Response(b"", status_code=204)
        return go_to(request, f"/dashboard/jobs/{job}")

    @post("/execute", scope=Scope.JOBS_WRITE)
    async def execute(
        self,
        request: AnyRequest,
        job: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Execute the job."""
        await read_form(request)
        await asyncio.to_thread(api.services.execute_job, caller, existing_job(job))
        return go_to(request, f"/dashboard/jobs/{job}")

    @post("/again", scope=Scope.JOBS_WRITE)
    async def again(
        self,
        request: AnyRequest,
        job: FromPath[str],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Run the job's program again."""
        await read_form(request)
        new = await api.storage_threads.run(lambda: api.services.run_again(caller, existing_job(job)))
        return go_to(request, f"/dashboard/jobs/{new.job_id}")


def _code(read_code: ReadCode, timeline: Timeline) -> str | None:
    try:
        return read_code(timeline.details.job)
    except NotFound:
        return None


def _given_entry(command: UploadCodeCommand) -> str | None:
    """Return the entry of a job; None if an upload of the job's files would have it without naming it."""
    default = find_entry(parse_language(command.language), None, (), has_code=True)
    return None if command.files and command.entry == default else command.entry


def _curl(service_url: str, command: UploadCodeCommand) -> str:
    """Return the curl command that submits a job, for a POSIX shell.

    The body is a here-document, because the size of an argument is limited (Linux: 128 KiB) and code may be
    larger. The body is one line that begins with a brace, so it cannot end the document.
    """
    given = {name: value for name, value in asdict(command).items() if value != _DEFAULTS[name]}
    body = given | given.pop("limits", {})
    url = shlex.quote(f"{service_url}/api/upload?wait={_WAIT_S}")
    head = f"curl {url} -H 'Content-Type: application/json' --data-binary @- <<'EOF'"
    return "\n".join((head, inert_json(body), "EOF", ""))
