"""The mapping of errors to HTTP: their statuses, and the problem documents (RFC 9457)."""

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
    """The type of a problem: its status, name and title."""

    status: int
    name: str
    title: str

    @property
    def type(self) -> str:
        """The type's name, for programs."""
        return _TYPE_PREFIX + self.name


_INVALID = ProblemType(422, "invalid-input", "The input is invalid")
_TOO_LARGE = ProblemType(413, "too-large", "The input is too large")
_INTERNAL = ProblemType(500, "internal", "The service failed")
_NO_ROUTE = ProblemType(404, "no-such-resource", "There is no such resource")
MALFORMED = ProblemType(400, "bad-request", "The request is malformed")
TOO_SLOW = ProblemType(408, "too-slow", "The request did not come in time")
HEAD_TOO_LARGE = ProblemType(431, "head-too-large", "The request's head is too large")
BUSY = ProblemType(503, "busy", "The service has all that it can do at once")

# The first that an error is an instance of counts, its own class before its bases.
PROBLEM_TYPES: Mapping[type[Exception], ProblemType] = {
    UnsupportedMediaType: ProblemType(415, "unsupported-media-type", "The body's form is not supported"),
    UnreadableBody: _INVALID,
    ValidationException: _INVALID,
    InvalidValue: _INVALID,
    TooLarge: _TOO_LARGE,
    RequestEntityTooLarge: _TOO_LARGE,
    Unprocessable: ProblemType(422, "unprocessable", "The request cannot be met here"),
    BatchRefused: ProblemType(422, "batch-refused", "Jobs of the batch cannot be accepted"),
    NotFound: ProblemType(404, "not-found", "What was named does not exist"),
    NoSuchRoute: _NO_ROUTE,
    PathNotCanonical: _NO_ROUTE,
    MethodNotAllowedException: ProblemType(405, "method-not-allowed", "The method is not allowed here"),
    Conflict: ProblemType(409, "conflict", "The state forbids this"),
    TransitionRefused: ProblemType(409, "transition-refused", "The state forbids this"),
    NotAuthenticated: ProblemType(401, "not-authenticated", "The caller has no valid key"),
    SignInRefused: ProblemType(403, "sign-in-refused", "You are not signed in"),
    MalformedKey: MALFORMED,
    KeyReused: ProblemType(422, "idempotency-key-reused", "The Idempotency-Key is another request's"),
    RequestInWork: ProblemType(409, "request-in-work", "The first request is still in work"),
    Repeated: ProblemType(409, "request-repeated", "The request took effect before"),
    ForgedRequest: ProblemType(403, "forged-request", "The form is not from here"),
    CrossSiteRequest: ProblemType(403, "cross-site-request", "The request comes from another site"),
    ScopeMissing: ProblemType(403, "scope-missing", "The caller has no right to this"),
    KeyInUrl: ProblemType(400, "key-in-url", "A key does not belong in a URL"),
    HostRefused: ProblemType(421, "misdirected-request", "The request is for another host"),
    RangeNotSatisfiable: ProblemType(416, "range-not-satisfiable", "The range is not in the content"),
    SignatureRefused: ProblemType(401, "signature-refused", "The message is not signed as it must be"),
    QuotaExceeded: ProblemType(429, "quota-exceeded", "A quota is used up"),
    DependencyUnavailable: ProblemType(503, "unavailable", "A part of the service is unavailable"),
    Overloaded: BUSY,
    Exception: _INTERNAL,
}
PROBLEM_TYPES_BY_STATUS = {
    problem_type.status: problem_type
    for problem_type in (*reversed([*PROBLEM_TYPES.values()]), HEAD_TOO_LARGE, TOO_SLOW, MALFORMED)
}


# What a problem document may have beside its standard members: attributes of the error.
_MEMBERS = ("dependencies", "quota", "used", "allowed")


def problem_response(request: AnyRequest, error: Exception) -> Response[Problem]:
    """Return the problem document of an error, which discloses nothing of the service's inside."""
    problem_type = _type_of(error)
    if problem_type is _INTERNAL:
        logger.error("%s %s failed", request.method, quote(request.scope["path"]), exc_info=error)
    errors = _faults(request, error)
    problem = _problem(
        problem_type, _detail(request, error, problem_type, errors), quote(request.scope["path"])
    )
    problem.errors = list(errors) or UNSET
    for name in _MEMBERS:
        setattr(problem, name, getattr(error, name, UNSET))
    return Response(
        problem,
        status_code=problem_type.status,
        media_type=PROBLEM_JSON,
        headers=_headers(error, problem_type),
    )


def encode_problem(problem_type: ProblemType, detail: str, instance: str) -> bytes:
    """Return the body of an error that is answered before the framework has seen the request."""
    return msgspec.json.encode(_problem(problem_type, detail, instance))


def _problem(problem_type: ProblemType, detail: str, instance: str) -> Problem:
    return Problem(
        type=problem_type.type,
        title=problem_type.title,
        status=problem_type.status,
        detail=detail,
        instance=instance,
        request_id=request_id.get(),
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
            return validation_errors.of_parameters(error)
        case InvalidValue():
            return [validation_errors.of_value(request, error.field, error.detail)]
        case BatchRefused():
            return [validation_errors.of_job(fault) for fault in error.faults]
        case Unprocessable():
            return [validation_errors.of_value(request, error.field, str(error))]
        case _:
            return ()


def _detail(request: AnyRequest, error: Exception, problem_type: ProblemType, errors: Sequence[Fault]) -> str:
    if errors and not isinstance(error, BatchRefused):
        return "; ".join(map(_sentence, errors))
    if problem_type is _INTERNAL:
        return "the service failed to answer; its log has the details under this request_id"
    if isinstance(error, HTTPException):
        if isinstance(error, BodyTooLarge):
            return f"the body has more than {error.most_bytes} bytes"
        say = _FRAMEWORK_DETAILS.get(type(error))
        return error.detail if say is None else say(request, error)
    return str(error)


# The framework's own words would name the host, or say next to nothing.
_FRAMEWORK_DETAILS: Mapping[type[Exception], Callable[[AnyRequest, HTTPException], str]] = {
    NoSuchRoute: lambda request, _error: (
        f"there is nothing at {quote(request.scope['path'])}; GET /docs shows what there is"
    ),
    MethodNotAllowedException: lambda request, _error: (
        f"{request.method} is not allowed here; the header Allow names the methods that are"
    ),
    RequestEntityTooLarge: lambda request, _error: (
        f"the body has more than {request.route_handler.resolve_request_max_body_size()} bytes"
    ),
}


def _sentence(fault: Fault) -> str:
    name = fault.parameter or (fault.pointer or "").removeprefix("/")
    return f"{name}: {fault.detail}" if name else fault.detail


def _headers(error: Exception, problem_type: ProblemType) -> dict[str, Any]:
    if problem_type is _INTERNAL:  # what an unexpected error carries is not for callers
        return {}
    if isinstance(error, NotAuthenticated):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, DependencyUnavailable | QuotaExceeded | RequestInWork):
        policy = exceeded_headers(error) if isinstance(error, QuotaExceeded) else {}
        return {"Retry-After": str(error.retry_after_s), **policy}
    return dict(getattr(error, "headers", None) or {})
