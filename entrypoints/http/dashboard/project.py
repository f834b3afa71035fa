from collections.abc import Mapping

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect

from application.commands import UploadCodeCommand
from domain.errors import InvalidValue
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.history import PERIODS, HistoryForm, history_context
from entrypoints.http.dashboard.pages import Pages, go_to, is_partial
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest


class ProjectPages(Controller):
    """One project: an editor that runs programs, and the history of its jobs."""

    path = "/projects/{project:int}"

    @get(sync_to_thread=True)
    def show(
        self,
        request: AnyRequest,
        project: FromPath[int],
        pages: NamedDependency[Pages],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the project."""
        chosen = HistoryForm.of(request)
        found = api.services.project_reader.get(str(project))
        page = api.services.job_reader.page(chosen.job_filter(api.clock.now()), str(found.id))
        return pages.page(
            request,
            "project.html",
            {
                "project": found,
                "languages": api.services.cluster_reader.languages(),
                "bounds": api.limit_policy.bounds,
                "periods": tuple(PERIODS),
                "version": "",
                **history_context(chosen, found.id, page),
            },
        )

    @get("/jobs", sync_to_thread=True)
    def history(
        self,
        request: AnyRequest,
        project: FromPath[int],
        pages: NamedDependency[Pages],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the history alone; its filters become part of the page's URL."""
        chosen = HistoryForm.of(request)
        page = api.services.job_reader.page(chosen.job_filter(api.clock.now()), str(project))
        headers = {"HX-Push-Url": chosen.url(project)} if "seen" not in request.query_params else {}
        return pages.part(request, "_history.html", history_context(chosen, project, page), headers)

    @post("/run")
    async def run(
        self,
        request: AnyRequest,
        project: FromPath[int],
        pages: NamedDependency[Pages],
        api: NamedDependency[Api],
    ) -> Response[bytes] | Redirect:
        """Run the program in the editor, and show its output live."""
        command = _command(project, await read_form(request))
        job = await api.storage_threads.run(lambda: api.services.upload_code(command))
        if not is_partial(request):
            return go_to(request, f"/dashboard/jobs/{job.job_id}")
        return pages.page(request, "_live.html", {"job_id": str(job.job_id), "status": job.status})


def _command(project_id: int, form: Mapping[str, str]) -> UploadCodeCommand:
    """Read the editor's form. A browser ends the lines of a form with CR LF, which no program expects."""
    return UploadCodeCommand(
        project=str(project_id),
        code=form.get("code", "").replace("\r\n", "\n"),
        language=form.get("language", ""),
        stdin=form.get("stdin", "").replace("\r\n", "\n"),
        tags=_tags(form.get("tags", "")),
        limits={name: _integer(name, form[name]) for name in ("timeout_ms", "memory_mb") if form.get(name)},
        execute=True,
    )


def _tags(text: str) -> dict[str, str]:
    pairs = [pair.partition(":") for pair in text.split(",") if pair.strip()]
    if not all(colon for _name, colon, _value in pairs):
        raise InvalidValue("tags", "write them as name:value, with commas between them")
    return {name.strip(): value.strip() for name, _colon, value in pairs}


def _integer(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidValue(name, "must be a whole number") from None
