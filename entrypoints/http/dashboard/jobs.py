"""The pages of jobs of all projects: the history, a search by id, and actions on many jobs."""

import re

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from application.errors import AmbiguousJobId, NotFound
from domain.caller import Caller, Scope
from entrypoints.http.csrf import read_form
from entrypoints.http.dashboard.history import PAGE, HistoryForm, history_context
from entrypoints.http.dashboard.job_acts import act_context
from entrypoints.http.dashboard.pages import Pages, is_partial
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import MAX_SEARCH_CHARS

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
# A line of a log may contain other ids too.
_MOST_IDS = 8
_LONGEST_LINE = 4_000


class JobsPages(Controller):
    """The history of all jobs, and actions on many of them."""

    path = "/jobs"

    @get(sync_to_thread=True, scope=Scope.JOBS_READ)
    def show(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the history."""
        chosen = HistoryForm.read(request.query_params)
        return pages.page(request, "jobs.html", {"version": "", **history_context(api, caller, chosen)})

    @get("/list", sync_to_thread=True, scope=Scope.JOBS_READ)
    def refresh(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show only the list; its filters become part of the page's URL."""
        chosen = HistoryForm.read(request.query_params)
        headers = {} if "seen" in request.query_params else {"HX-Push-Url": chosen.url()}
        return pages.part(request, "_history.html", history_context(api, caller, chosen), headers)

    @get("/tags", sync_to_thread=True, scope=Scope.JOBS_READ)
    def suggest_tags(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the tags that begin with a text, as options of its field."""
        query = request.query_params
        project = query.get("of") or query.get("project") or None
        tags = api.services.job_reader.suggest_tags(caller, query.get("tag", ""), project)
        return pages.part(request, "_tags.html", {"tags": tags})

    @get("/find", sync_to_thread=True, scope=Scope.JOBS_READ)
    def find(
        self, request: AnyRequest, caller: NamedDependency[Caller], api: NamedDependency[Api]
    ) -> Redirect:
        """Redirect to the job whose id or prefix is in a text, otherwise to a search for the text."""
        line = request.query_params.get("q", "").strip()[:_LONGEST_LINE]
        for given in dict.fromkeys([*_UUID.findall(line)[:_MOST_IDS], line]):
            try:
                job_id = api.services.job_reader.named(caller, given)
                api.services.job_reader.status(caller, job_id)
            except (NotFound, AmbiguousJobId):
                continue
            return Redirect(f"{PAGE}/{job_id}", status_code=303)
        return Redirect(HistoryForm(q=line[:MAX_SEARCH_CHARS]).url(), status_code=303)

    @post("/actions", scope=Scope.JOBS_WRITE)
    async def act(
        self,
        request: AnyRequest,
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Act on the selected jobs; an action that cannot be undone needs a confirmation."""
        form = await read_form(request)

        def act() -> Response[bytes]:
            context = act_context(request, api, caller, form)
            if not is_partial(request):
                return pages.page(request, "job_acts.html", context)
            headers = {"HX-Trigger": "jobs-acted"} if context["question"] is None else {}
            return pages.part(request, "_job_acts.html", context, headers)

        return await api.bulk_threads.run(act)
