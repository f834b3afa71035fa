"""Actions on many jobs from the form of the history: the confirmation, and the results so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from application.errors import DependencyUnavailable
from application.lists import Count
from application.use_cases.act_on_jobs import ActionResults, FilteredJobs, JobAction
from domain.caller import Caller, Scope
from domain.catalogue.text import Text, text
from domain.errors import InvalidValue
from domain.job_lifecycle import JobStatus
from domain.submission import TagChange
from domain.values import JobId, parse_job_id
from entrypoints.http.dashboard.editor_form import parse_tags
from entrypoints.http.dashboard.history import HistoryForm, found_filter
from entrypoints.http.dependencies import Api
from entrypoints.http.errors import problem_texts
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.parameters import parse_time, read_cursor, write_cursor

_SELECTED = "job-"
_ENDED = frozenset(status for status in JobStatus if status.is_terminal)
# The statuses of jobs that an action applies to; jobs in other statuses do not match its filter.
_STATUSES: Mapping[JobAction, frozenset[JobStatus]] = {
    JobAction.CANCEL: frozenset(JobStatus) - _ENDED,
    JobAction.DELETE: _ENDED,
}
# Actions that cannot be undone, and need a confirmation.
_FINAL = frozenset({JobAction.CANCEL, JobAction.DELETE})
# The maximum number of digits in a number of jobs.
_MOST_DIGITS = 12


@dataclass(frozen=True, slots=True)
class _Act:
    """An action that a form requests."""

    action: JobAction
    jobs: Sequence[JobId] | FilteredJobs
    tags: TagChange | None


def act_context(request: AnyRequest, api: Api, caller: Caller, form: Mapping[str, str]) -> dict[str, object]:
    """Act on jobs or ask for confirmation; return the template's context for the results or the question.

    Raises:
        InvalidValue: No jobs are selected, the action applies to none of them, or the form is malformed.
        DependencyUnavailable: The database is unavailable; nothing was done.
    """
    act = _read(api, caller, form)
    of_filter = isinstance(act.jobs, FilteredJobs)
    chosen = _chosen(form)
    context: dict[str, object] = {"action": act.action, "back": chosen.url(), "question": None}
    if (of_filter or act.action in _FINAL) and not form.get("confirmed"):
        count = _count(api, caller, act)
        # Only jobs that exist now are included, so that their number is the one in the question.
        fields = [*_fields(form), ("shown_at", api.clock.now().isoformat())]
        return {**context, "question": count, "fields": fields}
    found = api.services.act_on_jobs(caller, act.action, act.jobs, act.tags)
    first = found.results[0].error if found.results else None
    if isinstance(first, DependencyUnavailable):
        raise first
    return {**context, **_results(request, form, found)}


def _read(api: Api, caller: Caller, form: Mapping[str, str]) -> _Act:
    try:
        action = JobAction(form.get("act", ""))
    except ValueError:
        raise InvalidValue("action", text("problems.one_of", choices=", ".join(JobAction))) from None
    tags = None
    if action is JobAction.TAG:
        removed = (name.strip() for name in form.get("remove_tags", "").split(","))
        tags = TagChange(parse_tags(form.get("set_tags", "")), frozenset(filter(None, removed)))
    if form.get("all"):
        return _Act(action, _all(api, caller, action, form), tags)
    ids = [parse_job_id(name.removeprefix(_SELECTED)) for name in form if name.startswith(_SELECTED)]
    if not ids:
        raise InvalidValue("jobs", text("history.none_selected"))
    return _Act(action, ids, tags)


def _all(api: Api, caller: Caller, action: JobAction, form: Mapping[str, str]) -> FilteredJobs:
    """Return the jobs that matched the filters when the page was shown, and that the action applies to."""
    caller.require(Scope.JOBS_READ)
    chosen = _chosen(form)
    wanted = found_filter(api, caller, chosen)
    shown_at = parse_time("shown_at", form.get("shown_at")) or api.clock.now()
    statuses = _STATUSES.get(action, frozenset())
    if wanted.statuses and statuses:
        statuses &= wanted.statuses
        if not statuses:
            raise InvalidValue("jobs", _none_for(action))
    cursor = form.get("cursor")
    wanted = replace(
        wanted,
        limit=api.settings.max_job_actions,
        statuses=statuses or wanted.statuses,
        created_before=min(shown_at, wanted.created_before or shown_at),
        cursor=read_cursor(cursor) if cursor else None,
        oldest_first=False,
    )
    return FilteredJobs(wanted, chosen.project_reference)


def _count(api: Api, caller: Caller, act: _Act) -> Count:
    if not isinstance(act.jobs, FilteredJobs):
        return Count(len(act.jobs))
    count = api.services.job_reader.count(caller, act.jobs.wanted, act.jobs.project)
    if count == Count(0):
        raise InvalidValue("jobs", _none_for(act.action))
    return count


def _none_for(action: JobAction) -> Text:
    if action is JobAction.CANCEL:
        return text("history.none_to_cancel")
    return text("history.none_to_delete") if action is JobAction.DELETE else text("history.none_match")


def _results(request: AnyRequest, form: Mapping[str, str], found: ActionResults) -> dict[str, object]:
    refused = [
        (result.job_id, problem_texts(request, result.error)[1])
        for result in found.results
        if result.error is not None
    ]
    all_refused = _number(form.get("refused")) + len(refused)
    done = _number(form.get("done")) + len(found.results) - len(refused)
    context: dict[str, object] = {
        "is_continued": bool(form.get("cursor")),
        "refused": refused,
        "done": done,
        "all_refused": all_refused,
    }
    if found.next is None:
        return {**context, "fields": None}
    going_on = {"cursor": write_cursor(found.next), "done": done, "refused": all_refused}
    return {
        **context,
        "fields": [
            *_fields(form),
            ("shown_at", form.get("shown_at", "")),
            *going_on.items(),
            ("confirmed", "1"),
        ],
        # If all jobs of a call were refused, the others probably will be too, and each refusal is recorded.
        "goes_on": not refused or len(refused) < len(found.results),
    }


def _fields(form: Mapping[str, str]) -> Sequence[tuple[str, str]]:
    """Return the form fields that repeat the request. None of them has the name of a form's property."""
    names = ("act", "all", "query", "of", "set_tags", "remove_tags")
    return [(name, form[name]) for name in form if name in names or name.startswith(_SELECTED)]


def _chosen(form: Mapping[str, str]) -> HistoryForm:
    return HistoryForm.parse(form.get("query", ""), form.get("of", ""))


def _number(given: str | None) -> int:
    return int(given) if given and given.isdecimal() and len(given) <= _MOST_DIGITS else 0
