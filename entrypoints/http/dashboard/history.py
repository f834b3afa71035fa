"""The history of jobs, of all projects or of one: the filters, and a page of the list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from types import MappingProxyType
from typing import Literal
from urllib.parse import parse_qsl, urlencode

from application.lists import Count, JobFilter, ProjectFilter
from application.queries.job_reader import JobPage
from domain.caller import Caller
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.job_lifecycle import State
from domain.language import LANGUAGES
from domain.values import JOB_REFERENCE_MIN_DIGITS, ProjectName, parse_job_id_prefix
from entrypoints.http.dashboard.formatting import project_url
from entrypoints.http.dependencies import Api
from entrypoints.http.parameters import MAX_SEARCH_CHARS, parse_time, read_cursor, write_cursor

PAGE = "/dashboard/jobs"
_PAGE_SIZE = 20
_PROJECTS_SUGGESTED = 100
PERIODS: Mapping[str, timedelta] = MappingProxyType(
    {
        "15_minutes": timedelta(minutes=15),
        "hour": timedelta(hours=1),
        "day": timedelta(days=1),
        "week": timedelta(weeks=1),
    }
)
_OLDEST = "oldest"
# Parameters that are not filters: the position in the list.
_PLACE = ("order", "cursor")
_A_DAY = timedelta(days=1)
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class HistoryForm:
    """The filters that a visitor chose. Values that a list does not offer are ignored.

    Attributes:
        q: A text to search for, or the beginning of an id.
        since: The first day, or a time with the offset of the visitor's time zone.
        until: The last day, or a time that the jobs precede.
        of: The project whose page shows the history; empty on the page of all projects.
    """

    q: str = ""
    state: str = ""
    project: str = ""
    language: str = ""
    tag: str = ""
    period: str = ""
    since: str = ""
    until: str = ""
    order: str = ""
    cursor: str = ""
    of: str = field(default="", kw_only=True)

    @classmethod
    def read(cls, values: Mapping[str, str], of: str = "") -> "HistoryForm":
        """Read the filters from the parameters of a URL."""
        chosen = {name: values.get(name, "").strip() for name in _NAMES}
        chosen["tag"] = values.get("tag", "").lstrip()  # a space at its end is part of its value
        return cls(**chosen, of=of)

    @classmethod
    def parse(cls, query: str, of: str = "") -> "HistoryForm":
        """Read the filters from a query string that `query` returned."""
        return cls.read(dict(parse_qsl(query)), of)

    @property
    def narrows(self) -> bool:
        """Whether any filter is chosen."""
        return any(getattr(self, name) for name in _FILTERS if not (self.of and name == "project"))

    @property
    def is_oldest_first(self) -> bool:
        """Whether the oldest job comes first."""
        return self.order == _OLDEST

    @property
    def project_reference(self) -> str | None:
        """The project of the jobs, by its name or id."""
        return self.of or self.project or None

    @property
    def first_day(self) -> str:
        """The first day, formatted for a date field."""
        return _day(_instant("since", self.since, time.min))

    @property
    def last_day(self) -> str:
        """The last day, formatted for a date field."""
        end = _instant("until", self.until, time.max)
        return _day(end and _just_before(end))

    def job_filter(self, now: datetime) -> JobFilter:
        """Return the job filter.

        Raises:
            InvalidValue: The tag, a time or the cursor is malformed, or the text is too long.
        """
        period = PERIODS.get(self.period)
        state = State(self.state) if self.state in set(State) else None
        since = _instant("since", self.since, time.min)
        if period is not None:
            since = max(since or now - period, now - period)
        if len(self.q) > MAX_SEARCH_CHARS:
            raise InvalidValue("q", text("problems.search_length", maximum=MAX_SEARCH_CHARS))
        return JobFilter(
            limit=_PAGE_SIZE,
            statuses=frozenset() if state is None else frozenset({state.status}),
            phases=frozenset() if state is None or state.phase is None else frozenset({state.phase}),
            language=self.language if self.language in LANGUAGES else None,
            tags=self._tags(),
            search=self.q or None,
            created_after=since and _just_before(since),
            created_before=_instant("until", self.until, time.max),
            cursor=read_cursor(self.cursor) if self.cursor else None,
            oldest_first=self.is_oldest_first,
        )

    def _tags(self) -> Mapping[str, str]:
        name, colon, value = self.tag.partition(":")
        name, value = name.rstrip(), value.lstrip()
        if not (name or colon):
            return {}
        if not (name and colon):
            raise InvalidValue("tag", text("problems.tag_form"))
        return {name: value}

    @property
    def query(self) -> str:
        """The filters as a query string, without the position in the list."""
        return urlencode(self._chosen(cursor="", order=""))

    @property
    def home(self) -> str:
        """The URL of the page without filters."""
        return project_url(self.of) if self.of else PAGE

    @property
    def part(self) -> str:
        """The URL of only the list, without filters."""
        return f"{self.home}/jobs" if self.of else f"{PAGE}/list"

    def url(self, *, part: bool = False, **changed: str) -> str:
        """Return the URL with the chosen filters and some changes."""
        base, query = self.part if part else self.home, urlencode(self._chosen(**changed))
        return base + (f"?{query}" if query else "")

    def _chosen(self, **changed: str) -> Mapping[str, str]:
        chosen = {name: getattr(self, name) for name in _NAMES} | changed
        return {name: value for name, value in chosen.items() if value}


_NAMES = tuple(name for name in HistoryForm.__slots__ if name != "of")
_FILTERS = tuple(name for name in _NAMES if name not in _PLACE)


def _instant(name: Literal["since", "until"], given: str, of_day: time) -> datetime | None:
    """Parse a time with an offset, or a day in UTC, as the beginning of that day or of the next one.

    Raises:
        InvalidValue: The text is neither.
    """
    if not given:
        return None
    try:
        day = datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        parse_time(name, given)
        return datetime.fromisoformat(given)
    try:
        return day if of_day == time.min else day + _A_DAY
    except OverflowError:
        raise InvalidValue(name, text("problems.time")) from None


def _just_before(instant: datetime) -> datetime:
    try:
        return instant - _INSTANT
    except OverflowError:  # the earliest time that exists
        return instant


def _day(instant: datetime | None) -> str:
    return "" if instant is None else instant.date().isoformat()


@dataclass(frozen=True, slots=True)
class History:
    """A page of a history, and the number of jobs on all pages."""

    page: JobPage
    count: Count


def found_filter(api: Api, caller: Caller, chosen: HistoryForm) -> JobFilter:
    """Return the filter of a form. A text that may begin an id is taken for one if a job has such an id.

    Raises:
        InvalidValue: A value is malformed.
    """
    wanted = chosen.job_filter(api.clock.now())
    digits = _id_prefix(wanted.search or "")
    if digits is None:
        return wanted
    by_id = replace(wanted, search=None, id_prefix=digits)
    first = replace(by_id, limit=1, cursor=None)
    is_id = api.services.job_reader.page(caller, first, chosen.project_reference).jobs
    return by_id if is_id else wanted


def read_history(api: Api, caller: Caller, chosen: HistoryForm) -> History:
    """Read a page of jobs.

    Raises:
        InvalidValue: A value is malformed.
    """
    wanted, project = found_filter(api, caller, chosen), chosen.project_reference
    reader = api.services.job_reader
    page = reader.page(caller, wanted, project)
    is_whole = page.next is None and wanted.cursor is None
    return History(page, Count(len(page.jobs)) if is_whole else reader.count(caller, wanted, project))


def _id_prefix(given: str) -> str | None:
    try:
        digits = parse_job_id_prefix(given)
    except InvalidValue:
        return None
    return digits if len(digits) >= JOB_REFERENCE_MIN_DIGITS else None


def history_context(api: Api, caller: Caller, chosen: HistoryForm) -> dict[str, object]:
    """Return the context of the templates for a history.

    Raises:
        InvalidValue: A value is malformed.
    """
    history = read_history(api, caller, chosen)
    after = None if history.page.next is None else write_cursor(history.page.next)
    return {
        "chosen": chosen,
        "jobs": history.page.jobs,
        "total": history.count,
        "periods": tuple(PERIODS),
        "history_languages": tuple(LANGUAGES),
        "projects_known": () if chosen.of else _projects(api, caller),
        "days": _days(api.clock.now()),
        "here": chosen.url(part=True),
        "newest": chosen.url(cursor=""),
        "newest_part": chosen.url(part=True, cursor=""),
        "older": after and chosen.url(cursor=after),
        "older_part": after and chosen.url(part=True, cursor=after),
    }


def _projects(api: Api, caller: Caller) -> Sequence[ProjectName]:
    found = api.services.project_reader.page(caller, ProjectFilter(limit=_PROJECTS_SUGGESTED))
    return [project.name for project in found.projects]


def _days(now: datetime) -> Sequence[tuple[str, str, str, str]]:
    """Return day ranges: name, days ago of the first and last day, and both days as dates in UTC."""
    today = now.astimezone(UTC).date()
    ranges = (("today", 0, 0), ("yesterday", 1, 1))
    return [
        (name, f"{first},{last}", (today - first * _A_DAY).isoformat(), (today - last * _A_DAY).isoformat())
        for name, first, last in ranges
    ]
