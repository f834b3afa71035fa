"""Descriptions of operations in the OpenAPI document, which `openapi_document` completes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar.datastructures import ResponseHeader
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema

from domain.caller import Scope
from entrypoints.http.callers import SCOPE, SECURITY_SCHEMES
from entrypoints.http.errors import PROBLEM_TYPES_BY_STATUS
from entrypoints.http.idempotency import SECRET_ANSWER
from entrypoints.http.schemas.problem import PROBLEM_JSON, Problem


@dataclass
class ApiOperation(Operation):
    """An operation, with corrections to the framework's description."""

    def __post_init__(self) -> None:
        """Remove the framework's own 400, and make a body that may be null optional."""
        if self.responses is not None:
            self.responses.pop("400", None)
        if isinstance(self.request_body, RequestBody):
            self.request_body.required = not any(map(_is_nullable, self.request_body.content.values()))


def _is_nullable(content: OpenAPIMediaType) -> bool:
    alternatives = content.schema.one_of if isinstance(content.schema, Schema) else None
    return any(isinstance(one, Schema) and one.type is OpenAPIType.NULL for one in alternatives or ())


def openapi_docs(
    operation_id: str | Callable[..., str],
    summary: str,
    description: str | None = None,
    *,
    scope: Scope | None,
    problems: tuple[int, ...] = (),
    headers: tuple[str, ...] = (),
    answers: Mapping[int, ResponseSpec] | None = None,
    secret_answer: bool = False,
) -> dict[str, Any]:
    """Return the arguments of a route decorator that describe the operation.

    Args:
        operation_id: The operation's name in generated clients.
        summary: The operation's effect, in a few words.
        description: Details.
        scope: The required scope; None if the operation needs no caller.
        problems: The status codes of its errors, besides the errors of every request.
        headers: The headers of its success responses, besides the headers of every response.
        answers: Success responses that the framework does not know.
        secret_answer: Whether its success response contains a secret, and so is stored sealed for repeated
            requests.
    """
    needed = None if scope is None else f"Requires the scope `{scope}`."
    return {
        SCOPE: scope,
        SECRET_ANSWER: secret_answer,
        "operation_class": ApiOperation,
        "operation_id": operation_id,
        "summary": summary,
        "description": "\n\n".join(filter(None, (description, needed))) or None,
        "security": [{scheme: [scope] for scheme in SECURITY_SCHEMES}] if scope is not None else None,
        "response_headers": [
            ResponseHeader(name=name, documentation_only=True, description="-") for name in headers
        ],
        "responses": {**{status: _response(status) for status in problems}, **(answers or {})},
    }


def _response(status: int) -> ResponseSpec:
    title = PROBLEM_TYPES_BY_STATUS[status].title
    return ResponseSpec(Problem, generate_examples=False, description=title, media_type=PROBLEM_JSON)
