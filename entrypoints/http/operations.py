"""How operations are described in the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from entrypoints.http.errors import KINDS_BY_STATUS
from entrypoints.http.schemas.problem import PROBLEM_JSON, Problem

_DETAILS: Mapping[int, str] = {
    401: "no signature in the header webhook-signature is good",
    404: "job '01890a5d-ac96-774b-bcce-b302099a8057' does not exist",
    409: "cannot execute a job that is RUNNING",
    413: "code: has 1048577 bytes; 1048576 are allowed",
    416: "there are 13 bytes, and the range begins after them",
    422: "language: unsupported language; supported are python, node, java",
    500: "the service failed to answer; its log has the details under this request_id",
    503: "the database is unavailable: no answer",
}
_EVERYWHERE = (500,)
LINK = ResponseHeader(
    name="Link", documentation_only=True, description='The next page, as `<...>; rel="next"` (RFC 8288).'
)


@dataclass
class ApiOperation(Operation):
    """An operation as it is, where the framework would describe it otherwise."""

    def __post_init__(self) -> None:
        """Say that nothing is answered with 400, and that a body that may be null may be left out."""
        if self.responses is not None:
            self.responses.pop("400", None)
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = not any(map(_is_nullable, self.request_body.content.values()))


def _is_nullable(content: OpenAPIMediaType) -> bool:
    alternatives = content.schema.one_of if isinstance(content.schema, Schema) else None
    return any(isinstance(one, Schema) and one.type is OpenAPIType.NULL for one in alternatives or ())


def described(
    summary: str, description: str | None = None, *, problems: tuple[int, ...] = ()
) -> dict[str, Any]:
    """Return a route decorator's arguments that describe the operation and its errors."""
    return {
        "operation_class": ApiOperation,
        "summary": summary,
        "description": description,
        "responses": {status: _response(status) for status in (*problems, *_EVERYWHERE)},
    }


def _response(status: int) -> ResponseSpec:
    kind = KINDS_BY_STATUS[status]
    example = {
        "type": kind.type,
        "title": kind.title,
        "status": status,
        "detail": _DETAILS[status],
        "instance": "/api/upload",
        "request_id": "5f0f1f0e-6f0b-4c5e-9d51-6a1c1f6c2a11",
    }
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=kind.title,
        media_type=PROBLEM_JSON,
        examples=[Example(summary=kind.title, value=example)],
    )
