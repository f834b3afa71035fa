"""A project's history: which jobs a visitor wants to see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from application.queries.job_reader import JobPage
from application.views import JobFilter
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus, Phase
from domain.language import LANGUAGES
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import read_cursor, write_cursor

_PAGE_SIZE = 20
PERIODS: Mapping[str, timedelta] = {
    "15 minutes": timedelta(minutes=15),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}


@dataclass(frozen=True, slots=True)
class HistoryForm:
    """The choices of a visitor. A choice that its list does not offer is ignored."""

    status: str = ""
    phase: str = ""
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
        return any((self.status, self.phase, self.language, self.tag, self.period))

    def job_filter(self, now: datetime) -> JobFilter:
        """Read the choices.

        Raises:
            InvalidValue: The tag is not written as one.
        """
        period = PERIODS.get(self.period)
        return JobFilter(
            limit=_PAGE_SIZE,
            statuses=frozenset({JobStatus(self.status)} if self.status in set(JobStatus) else ()),
            phases=frozenset({Phase(self.phase)} if self.phase in set(Phase) else ()),
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
            raise InvalidValue("tag", "write it as name:value")
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
