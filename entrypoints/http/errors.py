"""The mapping of errors to HTTP status codes and problem documents (RFC 9457)."""

import errno
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, ValidationException
from litestar.exceptions import NotFoundException as NoSuchRoute
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from msgspec import UNSET

from application.errors import (
    AmbiguousJobId,
    BatchRefused,
    Conflict,
    DependencyUnavailable,
    KeyReused,
    NotAuthenticated,
    NotFound,
    QuotaExceeded,
    Repeated,
    RequestInWork,
    SignInRefused,
    Unprocessable,
)
from application.log_context import current_trace_id, outage_of
from domain.catalogue.text import Text, text
from domain.errors import InvalidValue, ScopeMissing, TooLarge, TransitionRefused
from entrypoints.http import validation_errors
from entrypoints.http.concurrency import Overloaded
from entrypoints.http.csrf import ForgedRequest
from entrypoints.http.idempotency import MalformedKey
from entrypoints.http.json_request import AnyRequest, UnsupportedMediaType
from entrypoints.http.keys_in_urls import KeyInUrl
from entrypoints.http.origin_guard import CrossSiteRequest, HostRefused, PathNotCanonical
from entrypoints.http.ranges import RangeNotSatisfiable
from entrypoints.http.rate_limits import exceeded_headers
from entrypoints.http.request_context import request_id
from entrypoints.http.schemas.problem import PROBLEM_JSON, Fault, Problem
from entrypoints.http.unreadable_body import BodyTooLarge, UnreadableBody
from entrypoints.http.webhook_signature import SignatureRefused

logger = logging.getLogger("service_server.http")

_TYPE_PREFIX = "urn:service-server:problem:"


@dataclass(frozen=True, slots=True)
class ProblemType:
    """The type of a problem: its status and its name."""

    status: int
    name: str

    @property
    def text(self) -> Text:
        """The title."""
        return text(f"problems.title_{self.name.replace('-', '_')}")

    @property
    def title(self) -> str:
        """The title in English."""
        return str(self.text)

    @property
    def type(self) -> str:
        """The type's URI, for programs."""
        return _TYPE_PREFIX + self.name


_INVALID = ProblemType(422, "invalid-input")
_TOO_LARGE = ProblemType(413, "too-large")
_INTERNAL = ProblemType(500, "internal")
_NO_ROUTE = ProblemType(404, "no-such-resource")
MALFORMED = ProblemType(400, "bad-request")
TOO_SLOW = ProblemType(408, "too-slow")
HEAD_TOO_LARGE = ProblemType(431, "head-too-large")
BUSY = ProblemType(503, "busy")

# The entry of the first class in an error's MRO applies.
PROBLEM_TYPES: Mapping[type[Exception], ProblemType] = {
    UnsupportedMediaType: ProblemType(415, "unsupported-media-type"),
    UnreadableBody: _INVALID,
    ValidationException: _INVALID,
    InvalidValue: _INVALID,
    TooLarge: _TOO_LARGE,
    RequestEntityTooLarge: _TOO_LARGE,
    Unprocessable: ProblemType(422, "unprocessable"),
    BatchRefused: ProblemType(422, "batch-refused"),
    NotFound: ProblemType(404, "not-found"),
    NoSuchRoute: _NO_ROUTE,
    PathNotCanonical: _NO_ROUTE,
    MethodNotAllowedException: ProblemType(405, "method-not-allowed"),
    Conflict: ProblemType(409, "conflict"),
    AmbiguousJobId: ProblemType(409, "ambiguous-id"),
    TransitionRefused: ProblemType(409, "transition-refused"),
    NotAuthenticated: ProblemType(401, "not-authenticated"),
    SignInRefused: ProblemType(403, "sign-in-refused"),
    MalformedKey: MALFORMED,
    KeyReused: ProblemType(422, "idempotency-key-reused"),
    RequestInWork: ProblemType(409, "request-in-work"),
    Repeated: ProblemType(409, "request-repeated"),
    ForgedRequest: ProblemType(403, "forged-request"),
    CrossSiteRequest: ProblemType(403, "cross-site-request"),
    ScopeMissing: ProblemType(403, "scope-missing"),
    KeyInUrl: ProblemType(400, "key-in-url"),
    HostRefused: ProblemType(421, "misdirected-request"),
    RangeNotSatisfiable: ProblemType(416, "range-not-satisfiable"),
    SignatureRefused: ProblemType(401, "signature-refused"),
    QuotaExceeded: ProblemType(429, "quota-exceeded"),
    DependencyUnavailable: ProblemType(503, "unavailable"),
    Overloaded: BUSY,
    Exception: _INTERNAL,
}
PROBLEM_TYPES_BY_STATUS = {
    problem_type.status: problem_type
    for problem_type in (*reversed([*PROBLEM_TYPES.values()]), HEAD_TOO_LARGE, TOO_SLOW, MALFORMED)
}


# The stores and the database translate their own errors, so such an error is one of a temporary file.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
# Attributes of errors that a problem document may contain besides its standard members.
_MEMBERS = ("dependencies", "quota", "used", "allowed", "candidates")


def problem_response(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Return the problem document of an error, without internals of the service."""
    path = quote(request.scope["path"])
    if (no_room := _no_room(error)) is not None:
        logger.error("%s %s failed: %s", request.method, path, no_room, extra=outage_of(no_room))
        error = no_room
    problem_type = _type_of(error)
    if problem_type is _INTERNAL:
        logger.error("%s %s failed", request.method, path, exc_info=error)
    return Response(
        problem_of(request, error),
        status_code=problem_type.status,
        media_type=PROBLEM_JSON,
        headers=_headers(error, problem_type),
    )


def _no_room(error: Exception) -> DependencyUnavailable | None:
    """Return the error for callers if the disk is full; None for any other error."""
    if isinstance(error, OSError) and error.errno in _FULL:
        return DependencyUnavailable("directory of temporary files", "the disk is full")
    return None


def problem_of(request: AnyRequest, error: Exception) -> Problem:
    """Return the problem document in the response of `problem_response`."""
    problem_type = _type_of(error)
    errors = _faults(request, error)
    detail = _detail(request, error, problem_type, errors)
    problem = _problem(problem_type, str(detail), quote(request.scope["path"]))
    if isinstance(detail, Text):
        inner = detail.values.get("detail")  # of the fault in a field
        told = inner if isinstance(inner, Text) else detail
        problem.code, problem.values = told.code, told.plain_values
    problem.errors = list(errors) or UNSET
    for name in _MEMBERS:
        setattr(problem, name, getattr(error, name, UNSET))
    return problem


def encode_problem(problem_type: ProblemType, detail: str, instance: str) -> bytes:
    """Return the body of an error response that is sent before the framework sees the request."""
    return msgspec.json.encode(_problem(problem_type, detail, instance))


def _problem(problem_type: ProblemType, detail: str, instance: str) -> Problem:
    return Problem(
        type=problem_type.type,
        title=problem_type.title,
        status=problem_type.status,
        detail=detail,
        instance=instance,
        request_id=request_id.get(),
        trace_id=current_trace_id() or UNSET,
    )


def _type_of(error: Exception) -> ProblemType:
    known = next((PROBLEM_TYPES[cls] for cls in type(error).__mro__ if cls in PROBLEM_TYPES), _INTERNAL)
    if known is _INTERNAL and isinstance(error, HTTPException) and error.status_code < _INTERNAL.status:
        return PROBLEM_TYPES_BY_STATUS.get(error.status_code) or replace(MALFORMED, status=error.status_code)
    return known


def _faults(request: AnyRequest, error: Exception) -> Sequence[Fault]:
    match error:
        case UnreadableBody():
            return [validation_errors.of_body(error)]
        case ValidationException():
            return validation_errors.of_parameters(request, error)
        case InvalidValue():
            return [validation_errors.of_value(request, error.field, error.detail)]
        case BatchRefused():
            return [validation_errors.of_job(fault) for fault in error.faults]
        case Unprocessable():
            return [validation_errors.of_value(request, error.field, str(error))]
        case _:
            return ()


def problem_texts(request: AnyRequest, error: Exception) -> tuple[Text, Text | str]:
    """Return the title and the detail of an error, for people."""
    error = _no_room(error) or error
    problem_type = _type_of(error)
    return problem_type.text, _detail(request, error, problem_type, _faults(request, error))


def _detail(
    request: AnyRequest, error: Exception, problem_type: ProblemType, errors: Sequence[Fault]
) -> Text | str:
    if isinstance(error, InvalidValue) and len(errors) == 1:
        return text("problems.of_field", field=_place(errors[0]) or error.field, detail=error.detail)
    if errors and not isinstance(error, BatchRefused):
        return "; ".join(map(_sentence, errors))
    if problem_type is _INTERNAL:
        return text("problems.internal")
    if isinstance(error, HTTPException):
        if isinstance(error, BodyTooLarge):
            return text("problems.body_too_large", bytes=error.most_bytes)
        say = _FRAMEWORK_DETAILS.get(type(error))
        return error.detail if say is None else say(request, error)
    return error.args[0] if error.args and isinstance(error.args[0], Text) else str(error)


# The framework's own messages would name the host, or explain little.
_FRAMEWORK_DETAILS: Mapping[type[Exception], Callable[[AnyRequest, HTTPException], Text]] = {
    NoSuchRoute: lambda request, _error: text("problems.nothing_at", path=quote(request.scope["path"])),
    MethodNotAllowedException: lambda request, _error: text(
        "problems.method_not_allowed", method=request.method
    ),
    RequestEntityTooLarge: lambda request, _error: text(
        "problems.body_too_large", bytes=request.route_handler.resolve_request_max_body_size()
    ),
}


def _place(fault: Fault) -> str:
    return fault.parameter or (fault.pointer or "").removeprefix("/")


def _sentence(fault: Fault) -> str:
    name = _place(fault)
    return f"{name}: {fault.detail}" if name else fault.detail


def _headers(error: Exception, problem_type: ProblemType) -> dict[str, Any]:
    if problem_type is _INTERNAL:  # headers of an unexpected error may disclose internals
        return {}
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, DependencyUnavailable | QuotaExceeded | RequestInWork):
        policy = exceeded_headers(error) if isinstance(error, QuotaExceeded) else {}
        return {"Retry-After": str(error.retry_after_s), **policy}
    return dict(getattr(error, "headers", None) or {})
