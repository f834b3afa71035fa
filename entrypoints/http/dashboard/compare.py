"""The page that compares a run with another one, of the same project or any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from application.errors import AmbiguousJobId, NotFound
from application.lists import JobFilter
from application.queries.job_reader import JobReader
from application.queries.timeline import Timeline
from domain.caller import Caller, Scope
from domain.catalogue.text import Text, text
from domain.job_lifecycle import State
from domain.values import JobId
from entrypoints.http.dashboard import formatting
from entrypoints.http.dashboard.comparison import comparison_context, read_run
from entrypoints.http.dashboard.pages import Pages
from entrypoints.http.dependencies import Api
from entrypoints.http.json_request import AnyRequest

_RECENT = 20
_RERUNS = 10
# A job's URL is accepted as well as its id.
_MAX_GIVEN_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A run to compare with, and its relation to the job, if it has one."""

    id: JobId
    state: State
    created_at: datetime
    ran: str
    relation: Text | None = None


class ComparePages(Controller):
    """The comparison of two runs."""

    path = "/jobs/{job:str}/compare"

    @get(scope=Scope.LOGS_READ)
    async def show(
        self,
        request: AnyRequest,
        job: FromPath[str],
        pages: NamedDependency[Pages],
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> Response[bytes]:
        """Compare the job with the job in `with`, or show runs to choose from."""
        caller.require(Scope.JOBS_READ)  # because the page lists jobs
        given = request.query_params.get("with", "").strip()[:_MAX_GIVEN_CHARS]
        reader = api.services.job_reader

        def show() -> Response[bytes]:
            timeline = reader.timeline(caller, api.job_id(caller, job))
            context: dict[str, object] = {
                "job_id": str(timeline.details.job.id),
                "job": timeline.details.job,
                "project": timeline.details.project,
                "given": given,
                "fault": None,
                "is_compared": False,
                "candidates": _candidates(reader, caller, timeline),
            }
            if not given:
                return pages.page(request, "compare.html", context)
            try:
                other = reader.timeline(caller, api.job_id(caller, given.rstrip("/").rpartition("/")[2]))
            except NotFound:
                return pages.page(
                    request, "compare.html", context | {"fault": text("compare.not_found")}, status_code=404
                )
            except AmbiguousJobId as error:
                return pages.page(
                    request, "compare.html", context | {"fault": error.args[0]}, status_code=409
                )
            before, after = sorted((timeline, other), key=lambda each: each.details.job.created_at)
            runs = [read_run(each, api.services.read_code) for each in (before, after)]
            context |= {"is_compared": True, **comparison_context(*runs)}
            return pages.page(request, "compare.html", context)

        return await api.storage_threads.run(show)


def _candidates(reader: JobReader, caller: Caller, timeline: Timeline) -> Sequence[Candidate]:
    """Return runs to compare a job with: its origin, its reruns, and the latest runs of its project."""
    job = timeline.details.job
    related = {} if timeline.origin is None else {timeline.origin: text("compare.origin")}
    related |= dict.fromkeys(timeline.reruns[:_RERUNS], text("compare.rerun"))
    found = []
    for job_id, relation in related.items():
        try:
            status = reader.status(caller, job_id)
        except NotFound:  # the job was deleted
            continue
        found.append(
            Candidate(
                id=job_id,
                state=State.of(status.status, status.phase),
                created_at=status.created_at,
                ran=formatting.between(status.run_started_at, status.completed_at),
                relation=relation,
            )
        )
    recent = reader.page(caller, JobFilter(limit=_RECENT, project_id=job.project_id)).jobs
    return found + [
        Candidate(
            id=each.job_id,
            state=each.state,
            created_at=each.created_at,
            ran=formatting.between(each.run_started_at, each.completed_at),
        )
        for each in recent
        if each.job_id != job.id and each.job_id not in related
    ]
