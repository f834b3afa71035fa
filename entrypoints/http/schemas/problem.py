"""Schemas of problem documents (RFC 9457), and of the health of dependencies."""

from typing import Annotated, Any

from msgspec import UNSET, Meta, Struct, UnsetType

from entrypoints.http.schemas.jobs import SentenceResponse

PROBLEM_JSON = "application/problem+json"


class Dependency(Struct, kw_only=True):
    """The health of a dependency."""

    name: Annotated[str, Meta(examples=["database"])]
    healthy: bool
    required: Annotated[bool, Meta(description="Whether no work is taken without it.", examples=[True])]
    detail: Annotated[str | None, Meta(description="Why not.", examples=[None])]
    took_ms: Annotated[float, Meta(examples=[0.4])]
    detail_text: Annotated[
        SentenceResponse | UnsetType, Meta(description="`detail` for readers in other languages.")
    ] = UNSET


class Fault(Struct, kw_only=True, omit_defaults=True):
    """An error in one value: a parameter, or a place in the body (a JSON pointer, RFC 6901)."""

    detail: Annotated[str, Meta(examples=["must be from 1 to 1000"])]
    pointer: Annotated[str | UnsetType, Meta(examples=["/code"])] = UNSET
    parameter: Annotated[str | UnsetType, Meta(examples=["limit"])] = UNSET
    index: Annotated[
        int | UnsetType, Meta(description="The place in a batch of the job that has the fault, from 0.")
    ] = UNSET


class Problem(Struct, kw_only=True):
    """An error (RFC 9457)."""

    type: Annotated[str, Meta(description="What went wrong, for programs.")]
    title: Annotated[str, Meta(description="What went wrong, for people.")]
    status: int
    detail: Annotated[str, Meta(description="What went wrong here, and what helps.")]
    instance: Annotated[str, Meta(description="The path that was asked for.")]
    code: Annotated[
        str | UnsetType,
        Meta(description="The code of the sentence in `detail`.", examples=["problems.does_not_exist"]),
    ] = UNSET
    values: Annotated[
        dict[str, Any] | UnsetType,
        Meta(
            description="The values in that sentence; one that is a sentence of its own has its `code` and "
            "its `values`.",
            examples=[{"kind": {"code": "problems.kind_job", "values": {}}, "name": "x"}],
        ),
    ] = UNSET
    request_id: Annotated[str, Meta(description="What the service's log knows the request by.")]
    trace_id: Annotated[
        str | UnsetType, Meta(description="The id of the trace that the request is a part of.")
    ] = UNSET
    errors: Annotated[list[Fault] | UnsetType, Meta(description="What is wrong with the input.")] = UNSET
    quota: Annotated[str | UnsetType, Meta(description="The quota that is used up.")] = UNSET
    used: Annotated[int | UnsetType, Meta(description="How much of the quota is used.")] = UNSET
    allowed: Annotated[int | UnsetType, Meta(description="How much the quota allows.")] = UNSET
    candidates: Annotated[
        list[str] | UnsetType, Meta(description="Ids of jobs that begin as the given one; of very many some.")
    ] = UNSET
    dependencies: Annotated[list[Dependency] | UnsetType, Meta(description="The parts of the service.")] = (
        UNSET
    )
