"""The outermost middleware: request ids, security headers and the access log, for unknown paths too."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from urllib.parse import quote

from litestar.enums import HttpMethod, ScopeType
from litestar.status_codes import HTTP_500_INTERNAL_SERVER_ERROR
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    HTTPScope,
    Message,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

from application.log_context import tenant, trace_context
from application.ports.tracing import NO_SPAN, Span, SpanKind, Tracing
from domain.api_key import has_key
from domain.trace_context import TraceContext
from entrypoints.http.errors import PROBLEM_TYPES, encode_problem
from entrypoints.http.origin_guard import RequestRefused, header
from entrypoints.http.request_context import (
    REQUEST_ID_HEADER,
    answer_headers,
    caller_address,
    choose_request_id,
    request_id,
)
from entrypoints.http.request_metrics import RequestMeter
from entrypoints.http.schemas.problem import PROBLEM_JSON

logger = logging.getLogger("service_server.http.access")

_LOGGED_PATH_CHARS = 1_000
_REQUEST_ID = REQUEST_ID_HEADER.lower().encode()
# Monitoring requests these every few seconds.
_UNTRACED = frozenset({"/api/health", "/health/live", "/health/ready", "/metrics"})
_TRACEPARENT, _TRACESTATE = b"traceparent", b"tracestate"
# For responses that are data. A page sets its own policy.
DATA_POLICY = b"default-src 'none'; frame-ancestors 'none'"
_SAFETY = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"content-security-policy", DATA_POLICY),
    (b"cache-control", b"no-store"),
)

SAFETY_HEADERS = tuple(name.decode().title() for name, _value in _SAFETY)


class AccessMiddleware:
    """Gives each request an id, each response its security headers, and both a line in the access log.

    It also answers the requests that a check of their head refuses. The log line has the path without its
    query, which may contain a program's input.

    Args:
        checks: Functions that raise RequestRefused for requests that they refuse.
        meter: Measures requests.
        tracing: Records each request as a span, except those for health and metrics.
    """

    def __init__(
        self,
        app: ASGIApp,
        checks: Sequence[Callable[[HTTPScope], None]],
        meter: RequestMeter,
        tracing: Tracing,
    ) -> None:
        self._app = app
        self._meter = meter
        self._tracing = tracing
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its response back."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        offered = header(scope, _REQUEST_ID)
        token = request_id.set(choose_request_id(offered))
        address_token = caller_address.set(scope["client"][0] if scope["client"] else "")
        headers_token = answer_headers.set({})
        tenant_token = tenant.set(None)
        trace_token = trace_context.set(
            TraceContext.parse(header(scope, _TRACEPARENT), header(scope, _TRACESTATE))
        )
        try:
            with self._span(scope) as span:
                await self._answer(scope, receive, send, span)
        finally:
            trace_context.reset(trace_token)
            tenant.reset(tenant_token)
            request_id.reset(token)
            caller_address.reset(address_token)
            answer_headers.reset(headers_token)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, span: Span) -> None:
        answer = _Answer(scope, send, receive)
        answered = _as_get(scope)
        self._meter.begin()
        try:
            for check in self._checks:
                check(scope)
            await self._app(answered, answer.receive, answer.send)
        except RequestRefused as refusal:
            await answer.refuse(scope, refusal)
        finally:
            took_s = answer.log(scope)
            self._meter.end(answered, answer.status, took_s)
            _describe(span, answered, answer.status)

    def _span(self, scope: HTTPScope) -> AbstractContextManager[Span]:
        if scope["path"] in _UNTRACED:
            return NO_SPAN
        attributes = {
            "http.request.method": scope["method"],
            "url.scheme": scope["scheme"],
            "service_server.request_id": request_id.get(),
        }
        if not has_key(path := quote(scope["path"])[:_LOGGED_PATH_CHARS]):
            attributes["url.path"] = path
        return self._tracing.span(scope["method"], attributes, kind=SpanKind.SERVER)


def _describe(span: Span, scope: HTTPScope, status: int | None) -> None:
    """Set the attributes of a request that are known only at its end."""
    attributes: dict[str, str | int] = {}
    if route := scope.get("path_template"):
        span.rename(f"{scope['method']} {route}")
        attributes["http.route"] = route
    if caller := tenant.get():
        attributes["service_server.tenant"] = str(caller)
    if status is not None:
        attributes["http.response.status_code"] = status
    span.set(attributes)
    if status is not None and status >= HTTP_500_INTERNAL_SERVER_ERROR:
        span.fail(str(status))


def _as_get(scope: HTTPScope) -> HTTPScope:
    """Turn HEAD into GET, which has the same response except for the content (RFC 9110, 9.3.2).

    Its Range is dropped, because ranges are defined for GET only (RFC 9110, 14.2).
    """
    if scope["method"] != HttpMethod.HEAD:
        return scope
    answered = scope.copy()
    answered["method"] = HttpMethod.GET.value
    answered["headers"] = [field for field in scope["headers"] if field[0] != b"range"]
    return answered


class _Answer:
    """The response to one request while it is sent.

    A client that expects "100 Continue" and gets a final response instead may send either its body or its
    next request. The two are indistinguishable, so the connection is closed (RFC 9110, 10.1.1).
    A response to HEAD ends with its head: waiting for the end of a stream would hold up the connection's next
    request.
    """

    def __init__(self, scope: HTTPScope, send: Send, receive: Receive) -> None:
        self._send = send
        self._receive = receive
        self._is_expecting = header(scope, b"expect") is not None
        self._is_head = scope["method"] == HttpMethod.HEAD
        self._begin = time.perf_counter()
        self.status: int | None = None

    async def receive(self) -> HTTPReceiveMessage | WebSocketReceiveMessage:
        self._is_expecting = False
        return await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            closing = [(b"connection", b"close")] if self._is_expecting else []
            message["headers"] = [*_completed(message["headers"]), *closing]
        elif self._is_head:
            return
        await self._send(message)
        if self._is_head:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def refuse(self, scope: HTTPScope, refusal: RequestRefused) -> None:
        kind = PROBLEM_TYPES[type(refusal)]
        body = encode_problem(kind, str(refusal), quote(scope["path"]))
        headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode())]
        await self.send({"type": "http.response.start", "status": kind.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body, "more_body": False})

    def log(self, scope: HTTPScope) -> float:
        """Log the request, and return the duration of its response in seconds."""
        client, took_s = scope["client"], time.perf_counter() - self._begin
        logger.info(
            "method=%s path=%s status=%s duration_ms=%.1f client=%s",
            scope["method"],
            quote(scope["path"])[:_LOGGED_PATH_CHARS],
            self.status or "-",
            took_s * 1000,
            quote(client[0], safe=":.%") if client else "-",  # from a proxy, or forged
        )
        return took_s


def _with_head(allow: bytes) -> bytes:
    """Return the methods of an Allow header, sorted, with HEAD added where GET is allowed."""
    methods = {method.strip() for method in allow.split(b",")}
    return b", ".join(sorted(methods | {b"HEAD"} if b"GET" in methods else methods))


def _completed(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return a response's headers with the common ones added.

    Vary always names Origin: a response that only some origins may read must not be cached for others.
    """
    kept = [header for header in headers if header[0].lower() != b"vary"]
    named = b",".join(value for name, value in headers if name.lower() == b"vary").split(b",")
    varies = [name.strip() for name in named if name.strip().lower() not in {b"", b"origin"}] + [b"Origin"]
    kept = [(name, _with_head(value) if name.lower() == b"allow" else value) for name, value in kept]
    present = {name.lower() for name, _value in kept}
    own = (*_SAFETY, (_REQUEST_ID, request_id.get().encode()), (b"vary", b", ".join(varies)))
    added = [(name.lower().encode(), value.encode()) for name, value in answer_headers.get().items()]
    return [*kept, *(header for header in own if header[0] not in present), *added]
