"""Schemas of problem documents (RFC 9457), and of the health of dependencies."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from entrypoints.http.schemas.jobs import SentenceResponse

PROBLEM_JSON = "application/problem+json"


class Dependency(Struct, kw_only=True):
    """The health of a dependency."""

    name: Annotated[str, Meta(examples=["database"])]
    healthy: bool
    required: Annotated[
        bool, Meta(description="Whether the service accepts no work without it.", examples=[True])
    ]
    detail: Annotated[
        str | None, Meta(description="Why it is unavailable; null if it is available.", examples=[None])
    ]
    took_ms: Annotated[float, Meta(examples=[0.4])]
    detail_text: Annotated[
        SentenceResponse | UnsetType, Meta(description="`detail` as a code with values, to be translated.")
    ] = UNSET


class Fault(Struct, kw_only=True, omit_defaults=True):
    """An error in one value: a parameter, or a place in the body (a JSON pointer, RFC 6901)."""

    detail: Annotated[str, Meta(examples=["must be from 1 to 1000"])]
    pointer: Annotated[str | UnsetType, Meta(examples=["/code"])] = UNSET
    parameter: Annotated[str | UnsetType, Meta(examples=["limit"])] = UNSET
    index: Annotated[
        int | UnsetType, Meta(description="The index in the batch of the job with the error, counted from 0.")
    ] = UNSET


class Problem(Struct, kw_only=True):
    """An error (RFC 9457)."""

    type: Annotated[str, Meta(description="A URI that identifies the type of the problem.")]
    title: Annotated[str, Meta(description="The type of the problem, for people.")]
    status: int
    detail: Annotated[str, Meta(description="What is wrong in this request, and how to fix it.")]
    instance: Annotated[str, Meta(description="The path of the request.")]
    code: Annotated[
        str | UnsetType,
        Meta(description="The code of the sentence in `detail`.", examples=["problems.does_not_exist"]),
    ] = UNSET
    values: Annotated[
        dict[str, Any] | UnsetType,
        Meta(
            description="The values of the placeholders in that sentence. A value that is itself a "
            "sentence is an object with `code` and `values`.",
            examples=[{"kind": {"code": "problems.kind_job", "values": {}}, "name": "x"}],
        ),
    ] = UNSET
    request_id: Annotated[str, Meta(description="The id of the request in the service's log.")]
    trace_id: Annotated[
        str | UnsetType,
        Meta(description="The id of the trace that the request belongs to; absent if there is none."),
    ] = UNSET
    errors: Annotated[list[Fault] | UnsetType, Meta(description="The errors in the input.")] = UNSET
    quota: Annotated[str | UnsetType, Meta(description="The exhausted quota.")] = UNSET
    used: Annotated[int | UnsetType, Meta(description="The used amount of the quota.")] = UNSET
    allowed: Annotated[int | UnsetType, Meta(description="The allowed amount of the quota.")] = UNSET
    candidates: Annotated[
        list[str] | UnsetType,
        Meta(description="Ids of jobs with the given prefix; if there are very many, some of them."),
    ] = UNSET
    dependencies: Annotated[
        list[Dependency] | UnsetType, Meta(description="The dependencies of the service.")
    ] = UNSET
