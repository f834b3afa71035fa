"""Schemas of actions on many jobs, and of their results."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from application.use_cases.act_on_jobs import JobAction
from domain.job_lifecycle import JobStatus
from entrypoints.http.schemas.problem import Problem
from entrypoints.http.schemas.requests import RerunRequest


class JobFilterRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The filters of a list of jobs. A job must match all of them; an empty filter matches all jobs."""

    project: Annotated[str | None, Meta(description="A project's name or id.")] = None
    status: Annotated[tuple[str, ...] | None, Meta(description="Jobs of one of these statuses.")] = None
    phase: Annotated[tuple[str, ...] | None, Meta(description="Jobs in one of these phases.")] = None
    language: Annotated[str | None, Meta(description="Jobs in this language.")] = None
    tag: Annotated[
        tuple[str, ...] | None, Meta(description="Jobs with all of these tags, as `name:value`.")
    ] = None
    created_after: Annotated[
        str | None, Meta(description="Jobs created after this time, in RFC 3339 with an offset.")
    ] = None
    created_before: Annotated[
        str | None, Meta(description="Jobs created before this time, in RFC 3339 with an offset.")
    ] = None
    id: Annotated[str | None, Meta(description="Jobs whose id begins with this text.")] = None
    search: Annotated[
        str | None,
        Meta(
            description="Jobs that contain this text in the description, in a tag, or at either end of "
            "the id."
        ),
    ] = None
    limit: Annotated[
        int | None,
        Meta(description="Maximum number of jobs in this call; the highest allowed number by default."),
    ] = None


class TagChangeRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A change of jobs' tags; other tags are kept."""

    set: Annotated[
        dict[str, str] | None,
        Meta(
            description="Tags to set, by name; existing tags with these names are replaced.",
            examples=[{"team": "blue"}],
        ),
    ] = None
    remove: Annotated[tuple[str, ...] | None, Meta(description="Names of the tags to remove.")] = None


class JobActionsRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """An action and its jobs, given as either `ids` or a `filter`."""

    action: Annotated[
        JobAction,
        Meta(
            description="`cancel` applies to jobs that have not ended, `delete` to jobs that have "
            "ended, `rerun` and `tag` to any."
        ),
    ]
    ids: Annotated[tuple[str, ...] | None, Meta(description="Ids of the jobs, or prefixes of ids.")] = None
    tags: Annotated[TagChangeRequest | None, Meta(description="For `tag`: the change of the jobs' tags.")] = (
        None
    )
    filter: Annotated[JobFilterRequest | None, Meta(description="Selects all jobs that match.")] = None
    changes: Annotated[
        RerunRequest | None, Meta(description="For `rerun`: the options that differ in each of the new jobs.")
    ] = None
    cursor: Annotated[
        str | None, Meta(description="For `filter`: the `next` of the previous response, to continue.")
    ] = None


class JobActionResult(Struct, kw_only=True):
    """The result of an action on one job."""

    job_id: Annotated[
        str,
        Meta(
            description="The job's id, or the given text if it names no job.",
            examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
        ),
    ]
    done: Annotated[
        bool, Meta(description="Whether the action was performed; if not, `problem` has the reason.")
    ]
    status: Annotated[
        JobStatus | UnsetType,
        Meta(description="The status of the job after the action; absent if the job was deleted."),
    ] = UNSET
    rerun: Annotated[str | UnsetType, Meta(description="The id of the new job.")] = UNSET
    problem: Problem | UnsetType = UNSET


class JobActionsResponse(Struct, kw_only=True):
    """The results of an action on many jobs, one for each job."""

    results: list[JobActionResult]
    next: Annotated[
        str | None,
        Meta(description="The `cursor` for the next call; absent if no more jobs match the filter."),
    ] = None
