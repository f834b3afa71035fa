"""Schemas of actions on many jobs, and of their results."""

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from application.use_cases.act_on_jobs import JobAction
from domain.job_lifecycle import JobStatus
from entrypoints.http.schemas.problem import Problem
from entrypoints.http.schemas.requests import RerunRequest


class JobFilterRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The filters of a list of jobs. A job must match all of them; an empty filter matches all jobs."""

    project: Annotated[str | None, Meta(description="A project's name, or its id.")] = None
    status: Annotated[tuple[str, ...] | None, Meta(description="Jobs of one of these statuses.")] = None
    phase: Annotated[tuple[str, ...] | None, Meta(description="Jobs in one of these phases.")] = None
    language: Annotated[str | None, Meta(description="Jobs in this language.")] = None
    tag: Annotated[
        tuple[str, ...] | None, Meta(description="Jobs with all of these tags, as `name:value`.")
    ] = None
    created_after: Annotated[
        str | None, Meta(description="Jobs made later than this time, RFC 3339 with an offset.")
    ] = None
    created_before: Annotated[
        str | None, Meta(description="Jobs made earlier than this time, RFC 3339 with an offset.")
    ] = None
    id: Annotated[str | None, Meta(description="Jobs whose id begins so.")] = None
    search: Annotated[
        str | None, Meta(description="Jobs with this text in their description, a tag or their id.")
    ] = None
    limit: Annotated[
        int | None, Meta(description="How many jobs in this call; as many as may be, by default.")
    ] = None


class TagChangeRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """A change of jobs' tags; other tags are kept."""

    set: Annotated[
        dict[str, str] | None,
        Meta(
            description="Tags by their names, in the place of others of these names.",
            examples=[{"team": "blue"}],
        ),
    ] = None
    remove: Annotated[tuple[str, ...] | None, Meta(description="Names of tags that are removed.")] = None


class JobActionsRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """An action and its jobs, given as either `ids` or a `filter`."""

    action: Annotated[
        JobAction,
        Meta(
            description="`cancel`: jobs that have not ended. `rerun`: any. `delete`: jobs that have ended. "
            "`tag`: any."
        ),
    ]
    ids: Annotated[tuple[str, ...] | None, Meta(description="Their ids, or beginnings of these.")] = None
    tags: Annotated[TagChangeRequest | None, Meta(description="With `tag`: the change of their tags.")] = None
    filter: Annotated[JobFilterRequest | None, Meta(description="All jobs that meet it.")] = None
    changes: Annotated[
        RerunRequest | None, Meta(description="With `rerun`: what is different for each of the new jobs.")
    ] = None
    cursor: Annotated[
        str | None, Meta(description="With `filter`: the `next` of the answer before, to go on.")
    ] = None


class JobActionResult(Struct, kw_only=True):
    """The result of an action on one job."""

    job_id: Annotated[
        str,
        Meta(
            description="The id, or what was given in its place if it names no job.",
            examples=["01890a5d-ac96-774b-bcce-b302099a8057"],
        ),
    ]
    done: Annotated[bool, Meta(description="Whether it was done; `problem` is the reason if not.")]
    status: Annotated[
        JobStatus | UnsetType, Meta(description="The status of the job afterwards, unless it is deleted.")
    ] = UNSET
    rerun: Annotated[str | UnsetType, Meta(description="The id of the new job that runs it again.")] = UNSET
    problem: Problem | UnsetType = UNSET


class JobActionsResponse(Struct, kw_only=True):
    """The results of an action on many jobs, one for each job."""

    results: list[JobActionResult]
    next: Annotated[
        str | None,
        Meta(description="More jobs may meet the filter: the `cursor` of the call that goes on with them."),
    ] = None
