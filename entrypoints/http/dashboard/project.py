"""The page of a project: its editor, and the filtered history of its jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from application.queries.job_reader import JobPage
from application.views import JobFilter
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.job_lifecycle import State
from domain.language import LANGUAGES
from entrypoints.http.dashboard.editor_contents import editor_context
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import read_cursor, write_cursor

_PAGE_SIZE = 20
PERIODS: Mapping[str, timedelta] = {
    "15_minutes": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class HistoryForm:
    """The filters of a history, as a visitor chose them. A choice that its list does not offer is ignored."""

    state: str = ""
    language: str = ""
    tag: str = ""
    period: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, request: AnyRequest) -> "HistoryForm":
        """Read the choice from the URL."""
        return cls(**{name: request.query_params.get(name, "") for name in cls.__slots__})

    @property
    def narrows(self) -> bool:
        """Whether anything is chosen."""
        return any((self.state, self.language, self.tag, self.period))

    def job_filter(self, now: datetime) -> JobFilter:
        """Read the choices.

        Raises:
            InvalidValue: The tag is not written as one.
        """
        period = PERIODS.get(self.period)
        state = State(self.state) if self.state in set(State) else None
        return JobFilter(
            limit=_PAGE_SIZE,
            statuses=frozenset() if state is None else frozenset({state.status}),
            phases=frozenset() if state is None or state.phase is None else frozenset({state.phase}),
            language=self.language if self.language in LANGUAGES else None,
            tags=self._tags(),
            created_after=None if period is None else now - period,
            cursor=read_cursor(self.cursor) if self.cursor else None,
        )

    def _tags(self) -> Mapping[str, str]:
        name, colon, value = (part.strip() for part in self.tag.partition(":"))
        if not (name or colon):
            return {}
        if not (name and colon):
            raise InvalidValue("tag", text("problems.tag_form"))
        return {name: value}

    def url(self, project_id: int, *, part: bool = False, cursor: str | None = None) -> str:
        """Return the URL that makes this choice, on another page of the history if a cursor is given."""
        chosen = {name: getattr(self, name) for name in self.__slots__}
        if cursor is not None:
            chosen["cursor"] = cursor
        query = urlencode({name: value for name, value in chosen.items() if value})
        return f"/dashboard/projects/{project_id}{'/jobs' if part else ''}" + (f"?{query}" if query else "")


def history_context(chosen: HistoryForm, project_id: int, page: JobPage) -> dict[str, object]:
    """Return the context of a history's template."""
    older = None if page.next is None else write_cursor(page.next)
    return {
        "chosen": chosen,
        "jobs": page.jobs,
        "here": chosen.url(project_id, part=True),
        "newest": chosen.url(project_id, cursor=""),
        "newest_part": chosen.url(project_id, part=True, cursor=""),
        "older": older and chosen.url(project_id, cursor=older),
        "older_part": older and chosen.url(project_id, part=True, cursor=older),
    }


class ProjectPages(Controller):
    """One project: an editor, and the history of its jobs."""

    path = "/projects/{project:int}"

    @get(sync_to_thread=True, scope=Scope.JOBS_READ)
    def show(
        self,
        request: AnyRequest,
        project: FromPath[int],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the project."""
        chosen = HistoryForm.of(request)
        found = api.services.project_reader.get(caller, str(project))
        page = api.services.job_reader.page(caller, chosen.job_filter(api.clock.now()), str(found.id))
        return pages.page(
            request,
            "project.html",
            {
                "languages": api.services.cluster_reader.languages(),
                "periods": tuple(PERIODS),
                "version": "",
                **editor_context(api, caller, found),
                **history_context(chosen, found.id, page),
            },
        )

    @get("/jobs", sync_to_thread=True, scope=Scope.JOBS_READ)
    def history(
        self,
        request: AnyRequest,
        project: FromPath[int],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Show the history alone; its filters become part of the page's URL."""
        chosen = HistoryForm.of(request)
        page = api.services.job_reader.page(caller, chosen.job_filter(api.clock.now()), str(project))
        headers = {"HX-Push-Url": chosen.url(project)} if "seen" not in request.query_params else {}
        return pages.part(request, "_history.html", history_context(chosen, project, page), headers)
