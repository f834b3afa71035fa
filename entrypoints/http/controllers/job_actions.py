"""Actions on many jobs at once."""

from collections.abc import Sequence
from typing import Annotated

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.openapi.spec import Example
from litestar.params import BodyKwarg

from application.errors import DependencyUnavailable
from application.use_cases.act_on_jobs import ActionResult, FilteredJobs, JobAction
from application.use_cases.run_again import Changes
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.submission import TagChange
from domain.values import parse_job_reference
from entrypoints.http.dependencies import Api
from entrypoints.http.errors import problem_of
from entrypoints.http.json_request import JsonRequest
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import read_cursor, read_filter, write_cursor
from entrypoints.http.schemas.job_actions import (
    JobActionResult,
    JobActionsRequest,
    JobActionsResponse,
    JobFilterRequest,
    TagChangeRequest,
)
from entrypoints.http.schemas.requests import RerunRequest
from entrypoints.settings import Settings

_Body = Annotated[
    JobActionsRequest,
    BodyKwarg(
        examples=[
            Example(
                summary="Cancel the jobs of a tag",
                value={"action": "cancel", "filter": {"phase": ["waiting"], "tag": ["team:blue"]}},
            ),
            Example(
                summary="Tag a job",
                value={
                    "action": "tag",
                    "ids": ["01890a5d-ac96-774b-bcce-b302099a8057"],
                    "tags": {"set": {"reviewed": "yes"}, "remove": ["todo"]},
                },
            ),
            Example(
                summary="Delete two jobs",
                value={
                    "action": "delete",
                    "ids": ["01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac96-774b-bcce-b302099a8058"],
                },
            ),
        ]
    ),
]


class JobActionsController(Controller):
    """Actions on many jobs at once."""

    tags = ("Jobs",)

    @post(
        "/jobs/actions",
        status_code=200,
        **openapi_docs(
            "actOnJobs",
            "Cancel, rerun, delete or tag many jobs",
            "Applies the action to each job like the operation for a single job, and returns a result for "
            "each. Jobs that match a `filter` are processed newest first, a limited number in each request: "
            "`next` continues with the rest. A filter, and an abbreviated id, also require the scope "
            f"`{Scope.JOBS_READ}`.",
            problems=(409,),
            scope=Scope.JOBS_WRITE,
        ),
    )
    async def act(
        self,
        request: JsonRequest,
        data: _Body,
        caller: NamedDependency[Caller],
        api: NamedDependency[Api],
    ) -> JobActionsResponse:
        """Cancel, rerun, delete or tag many jobs."""

        def act() -> JobActionsResponse:
            given = _given(data) if data.filter is None else _filtered(data, data.filter, api.settings)
            found = api.services.act_on_jobs(
                caller, data.action, given, _tags(data.tags), _changes(data.changes)
            )
            first = found.results[0].error if found.results else None
            if isinstance(first, DependencyUnavailable):
                raise first
            results = [_result(request, data.action, result) for result in found.results]
            following = None if found.next is None else write_cursor(found.next)
            return JobActionsResponse(results=results, next=following)

        return await api.bulk_threads.run(act)


def _filtered(data: JobActionsRequest, wanted: JobFilterRequest, settings: Settings) -> FilteredJobs:
    if data.ids is not None:
        raise InvalidValue("ids", text("problems.ids_or_filter"))
    try:
        found = read_filter(
            limit=settings.max_job_actions if wanted.limit is None else wanted.limit,
            status=wanted.status or (),
            phase=wanted.phase or (),
            language=wanted.language,
            tag=wanted.tag or (),
            created_after=wanted.created_after,
            created_before=wanted.created_before,
            id_prefix=wanted.id,
            search=wanted.search,
            cursor=None if data.cursor is None else read_cursor(data.cursor),
            max_tags=settings.max_tags,
        )
    except InvalidValue as error:
        if error.field == "cursor":
            raise
        raise InvalidValue(f"filter/{error.field}", error.detail) from None
    return FilteredJobs(found, wanted.project)


def _tags(given: TagChangeRequest | None) -> TagChange | None:
    return None if given is None else TagChange(given.set or {}, frozenset(given.remove or ()))


def _given(data: JobActionsRequest) -> Sequence[str]:
    if data.ids is None or data.cursor is not None:
        raise InvalidValue("ids" if data.ids is None else "cursor", text("problems.ids_or_filter"))
    for index, given in enumerate(data.ids):
        try:
            parse_job_reference(given)
        except InvalidValue as error:
            raise InvalidValue(f"ids/{index}", error.detail) from None
    return data.ids


def _changes(given: RerunRequest | None) -> Changes | None:
    try:
        return None if given is None else given.changes()
    except InvalidValue as error:
        raise InvalidValue(f"changes/{error.field}", error.detail) from None


def _result(request: JsonRequest, action: JobAction, result: ActionResult) -> JobActionResult:
    if result.error is not None:
        return JobActionResult(
            job_id=str(result.job_id), done=False, problem=problem_of(request, result.error)
        )
    shown = JobActionResult(job_id=str(result.job_id), done=True)
    if result.job is not None:
        if action is JobAction.RERUN:
            shown.rerun = str(result.job.job_id)
        else:
            shown.status = result.job.status
    return shown
