"""HTTP/1.1 for uvicorn, with limits on connections and on the size and duration of requests."""

import asyncio
import logging
from collections import OrderedDict
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from entrypoints.http.errors import BUSY, HEAD_TOO_LARGE, MALFORMED, TOO_SLOW, ProblemType, encode_problem
from entrypoints.http.request_context import REQUEST_ID_HEADER, choose_request_id, request_id
from entrypoints.http.request_head import HeadRefused, check_head, without_offers
from entrypoints.http.schemas.problem import PROBLEM_JSON

logger = logging.getLogger("service_server.http.access")

_MAX_HEAD_BYTES = 64 << 10
_MAX_HEADERS = 128
# The time in which a head must arrive, and in which at least _BYTES_PER_PERIOD of a body must arrive.
_PERIOD_S = 15.0
_BYTES_PER_PERIOD = 1 << 10
# How long a client may take to read full write buffers, normally and once the server stops.
_TAKE_WITHIN_S = 30.0
_LAST_TAKE_WITHIN_S = 1.0
# Requests of a connection that may wait for earlier responses.
_MAX_PIPELINED = 64
_HEAD_DETAIL = f"The URL and the headers have at most {_MAX_HEAD_BYTES} bytes, in {_MAX_HEADERS} headers."


class CallersTurn:
    """The connections of a server that are idle or have received part of a request.

    At the limit on connections, the connection that has waited longest is closed for a new one, so idle
    connections and unfinished requests keep no client out.
    """

    def __init__(self) -> None:
        self._waiting: OrderedDict[GuardedProtocol, None] = OrderedDict()

    def begin(self, connection: "GuardedProtocol") -> None:
        """Add a connection that now waits for its client, or move it to the end."""
        self._waiting[connection] = None
        self._waiting.move_to_end(connection)

    def end(self, connection: "GuardedProtocol") -> None:
        """Remove a connection that no longer waits for its client."""
        self._waiting.pop(connection, None)

    def give_way(self) -> bool:
        """Close the connection that has waited longest; return whether there was one."""
        if not self._waiting:
            return False
        longest, _ = self._waiting.popitem(last=False)
        longest.give_way()
        return True


class GuardedProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on the size and time of requests, and problem documents for refused requests.

    The parser (llhttp) is strict about the end of a request, but stops at an offer to upgrade. Such offers
    are ignored here (RFC 9110, 7.8): the request is parsed again without the offer, and keeps its body.
    Trailers are dropped, because they are not headers (RFC 9110, 6.5.1).

    The parser buffers incomplete heads, chunk sizes and trailers, so the number of consecutive bytes outside
    a body is limited on arrival.
    """

    def __init__(
        self,
        callers_turn: CallersTurn,
        *args: Any,  # noqa: ANN401 - as in the base class
        **options: Any,  # noqa: ANN401 - as in the base class
    ) -> None:
        super().__init__(*args, **options)
        self._callers_turn = callers_turn
        # The base class would keep excess connections open, and answer each of their requests.
        self._max_connections, self.limit_concurrency = self.limit_concurrency, None
        self._deadline: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.TimerHandle | None = None
        self.is_receiving = False
        self._is_in_head = True
        self._is_last = False
        self._answering: RequestResponseCycle | None = None
        self._refusal: HeadRefused | None = None
        self._head_without_offers = b""
        self._head_bytes = 0
        self._head_fields = 0
        self._unread_bytes = 0
        self._body_bytes = 0

    def connection_made(
        self,
        transport: asyncio.Transport,  # type: ignore[override]  # as in the base class
    ) -> None:
        """Accept a connection. At the limit, close an idle one for it, or else refuse it."""
        super().connection_made(transport)
        is_full = self._max_connections is not None and len(self.connections) > self._max_connections
        if is_full and not self._callers_turn.give_way():
            self._refuse(BUSY, "The limit on connections is reached.")
            return
        self._callers_turn.begin(self)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what the connection holds."""
        self._callers_turn.end(self)
        self._set_deadline(wanted=False)
        self._stop_giving_up()
        self.pipeline.clear()
        if self._answering is not None:  # the base class notifies only the latest request
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait a limited time for the client to read."""
        super().pause_writing()
        self._give_up_in(_TAKE_WITHIN_S)

    def resume_writing(self) -> None:
        """Continue sending."""
        if not self.transport.is_closing():
            self._stop_giving_up()
        super().resume_writing()

    def shutdown(self) -> None:
        """Finish the current response, and close the connection."""
        super().shutdown()
        if self._giving_up is not None:
            self._give_up_in(_LAST_TAKE_WITHIN_S)

    def give_way(self) -> None:
        """Close a connection that made no progress, to accept another one."""
        if self.is_receiving:
            self._refuse(BUSY, "The request did not arrive before the connection was needed for others.")
            return
        logger.info("idle connection closed: the limit on connections is reached")
        self._hang_up(_LAST_TAKE_WITHIN_S)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection."""
        self._hang_up(_LAST_TAKE_WITHIN_S)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._hang_up(_TAKE_WITHIN_S)
        elif not self.is_answering:
            self._callers_turn.begin(self)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes that arrived, within the limits."""
        if self._is_last:
            return
        self.is_receiving = True
        self._unread_bytes += len(data)
        self._unset_keepalive_if_required()
        try:
            self._parse(memoryview(data))
        except httptools.HttpParserError:
            self._refuse_unreadable()
            return
        if self.transport.is_closing():
            return
        if self._unread_bytes > _MAX_HEAD_BYTES:
            self._refuse(HEAD_TOO_LARGE, _HEAD_DETAIL)
            return
        self._set_deadline(wanted=self.is_receiving)

    def on_message_begin(self) -> None:
        """Start a request."""
        if len(self.pipeline) >= _MAX_PIPELINED:
            self._refusal = HeadRefused(BUSY, f"More than {_MAX_PIPELINED} requests wait on this connection.")
            raise self._refusal
        super().on_message_begin()
        if not self.is_answering:
            self._callers_turn.begin(self)
        self._head_bytes = self._head_fields = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL."""
        self._count_head(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        self._count_head(len(name) + len(value), fields=1)
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Answer the request, whose body is still to come."""
        method, version = self.parser.get_method(), self.parser.get_http_version()
        self._check_head(method, version)
        if self.parser.should_upgrade():
            self._head_without_offers = without_offers(method, self.url, version, self.headers)
            return
        self._is_in_head = False
        self._set_deadline(wanted=False)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unread_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if self._is_in_head:  # the parser has stopped at an offer to upgrade
            return
        if self.is_answering:
            self._callers_turn.end(self)
        else:
            self._callers_turn.begin(self)
        self._is_in_head = True
        self.is_receiving = False
        self._unread_bytes = 0
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - uvicorn's type
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _parse(self, data: memoryview) -> None:
        """Parse bytes. A request that offers an upgrade is parsed again without the offer."""
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                data = data[offer.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                # As in the base class: bytes after the last request are ignored, and that request is
                # answered.
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
                self.parser.feed_data(self._head_without_offers)
            else:
                return

    def _check_head(self, method: bytes, version: str) -> None:
        try:
            check_head(method, self.url, version, self.headers)
        except HeadRefused as refusal:
            self._refusal = refusal
            raise

    def _count_head(self, size: int, fields: int = 0) -> None:
        self._head_bytes += size
        self._head_fields += fields
        if self._head_bytes > _MAX_HEAD_BYTES or self._head_fields > _MAX_HEADERS:
            self._refusal = HeadRefused(HEAD_TOO_LARGE, _HEAD_DETAIL)
            raise self._refusal

    def _set_deadline(self, *, wanted: bool) -> None:
        if wanted and self._deadline is None:
            self._deadline = self.loop.call_later(_PERIOD_S, self._check_progress)
        elif not wanted and self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _check_progress(self) -> None:
        self._deadline = None
        # The client is not at fault while the application does not read, or answers an earlier request.
        is_held_up = self.flow.read_paused or (self._is_in_head and self.is_answering)
        if not is_held_up and self._body_bytes < _BYTES_PER_PERIOD:
            self._refuse(TOO_SLOW, f"The rest of the request did not arrive within {_PERIOD_S:.0f} s.")
            return
        self._body_bytes = 0
        self._set_deadline(wanted=True)

    def _give_up_in(self, seconds: float) -> None:
        self._stop_giving_up()
        self._giving_up = self.loop.call_later(seconds, self._give_up)

    def _stop_giving_up(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None

    def _give_up(self) -> None:
        logger.info("connection closed: its client does not read the response")
        self.transport.abort()

    @property
    def is_answering(self) -> bool:
        """Whether a request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _earlier(self) -> RequestResponseCycle | None:
        """Return the latest unanswered request before the one that is being received, if there is one."""
        of_body = None if self._is_in_head else self.cycle
        latest_first = (*(cycle for cycle, _app in self.pipeline), self._answering)
        unanswered = (cycle for cycle in latest_first if cycle is not None and not cycle.response_complete)
        return next((cycle for cycle in unanswered if cycle is not of_body), None)

    @property
    def _may_answer(self) -> bool:
        """Whether bytes written now would be read as the response to the request being received."""
        if self._is_in_head:
            return not self.is_answering
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or not cycle.response_started

    def _refuse_unreadable(self) -> None:
        """Answer a request whose head was refused or is malformed, and close the connection."""
        if self._refusal is not None:
            self._refuse(self._refusal.kind, self._refusal.detail)
        else:
            detail = (
                "The request is not well-formed HTTP/1.1. URLs must be ASCII, with the rest percent-encoded."
            )
            self._refuse(MALFORMED, detail)

    def _refuse(self, kind: ProblemType, detail: str) -> None:
        """Send an error unless a response has started, and close the connection after earlier responses."""
        chosen = choose_request_id(None)
        token = request_id.set(chosen)
        logger.info("method=- path=- status=%d: %s", kind.status, detail)
        earlier = self._earlier()
        if earlier is None and self._may_answer:
            self._write(kind, encode_problem(kind, detail, "/"))
        request_id.reset(token)
        if earlier is not None:
            if not self._is_in_head:
                self.pipeline.popleft()
            self._is_last = True
            self._set_deadline(wanted=False)
            earlier.keep_alive = False
            self.cycle = earlier
            return
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._hang_up(_TAKE_WITHIN_S)

    def _hang_up(self, seconds: float) -> None:
        """Close the connection once the client has read everything, or after some seconds."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._give_up_in(seconds)

    def _write(self, kind: ProblemType, body: bytes) -> None:
        head = (
            f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}\r\n"
            f"Content-Type: {PROBLEM_JSON}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"{REQUEST_ID_HEADER}: {request_id.get()}\r\n"
            "Vary: Origin\r\n" + ("Retry-After: 5\r\n" if kind is BUSY else "") + "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
