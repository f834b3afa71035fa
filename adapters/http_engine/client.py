"""HTTP client for runners, with a connection pool and a limit on the size of answers.

Failures are distinguished by whether the program may have started. Requests carry the current trace context.
"""

import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Self
from urllib.parse import quote, urlencode, urlsplit

import httpcore

from adapters.common.overflow_file import OverflowFile
from adapters.http_engine.addresses import without_credentials
from adapters.http_engine.engine_errors import MayHaveStarted, NothingStarted
from adapters.http_engine.network import DeadlineBackend, bound_to
from adapters.http_engine.request_deadline import DeadlineExceeded, RequestDeadline
from application.log_context import trace_context
from application.ports.tracing import NO_TRACING, SpanKind, Tracing
from domain.catalogue.text import text

# Idle connections are closed before the runners' servers close them (Node.js: 5 s, gunicorn: 2 s). A request
# sent on a connection that the server is closing might or might not have arrived.
IDLE_CONNECTION_S = 1.0
_MAX_IDLE_CONNECTIONS = 64
# The maximum that is read of an error answer: enough for a runner to name the cause.
FAILURE_BYTES = 64 << 10

# A longer number of seconds is cut to this many digits.
_DIGITS = 9
_HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),  # without compression, the size limit bounds the decoded bytes too
    ("User-Agent", "service-server"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An engine's answer. The caller must close it.

    Attributes:
        body: The content, up to the size limit.
        size: The size of `body` in bytes.
        is_whole: Whether the whole content was read.
        retry_after_s: The seconds of the `Retry-After` header; None without one.
    """

    status: int
    content_type: str
    body: IO[bytes] = field(default_factory=BytesIO)
    size: int = 0
    is_whole: bool = True
    retry_after_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.body.close()

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - RFC 9110, 15: the first digit is the class

    def with_body(self, pieces: Iterable[bytes], max_bytes: int, place: OverflowFile) -> Self:
        """Return the answer with up to `max_bytes` of the body, read into `place`, which it then owns."""
        size = 0
        for piece in pieces:
            place.write(piece[: max_bytes - size])
            size += len(piece)
            if size > max_bytes:
                break
        return replace(self, body=place.rewound(), size=min(size, max_bytes), is_whole=size <= max_bytes)


class EngineClient:
    """A thread-safe HTTP client for one runner. It follows no redirects.

    Args:
        connect_timeout_s: The timeout for a connection, in seconds.
        max_answer_bytes: The maximum that is read of a successful answer.
        spool_directory: The directory for answers that are too large for memory.
        tls: The TLS context; None if no address uses TLS.
    """

    def __init__(
        self,
        connect_timeout_s: float,
        max_answer_bytes: int,
        spool_directory: Path | None,
        tls: ssl.SSLContext | None,
        tracing: Tracing = NO_TRACING,
    ) -> None:
        self._tracing = tracing
        self._connect_timeout_s = connect_timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._spool_directory = spool_directory
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=None,  # callers are limited already, and a wait here could not be stopped
            max_keepalive_connections=_MAX_IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_CONNECTION_S,
            network_backend=DeadlineBackend(),
        )

    def send(self, method: str, url: str, params: Mapping[str, str], deadline: RequestDeadline) -> Answer:
        """Send one request and read its answer.

        Raises:
            NothingStarted: The request was not sent.
            MayHaveStarted: The request was sent, but no complete answer was received.
            DeadlineExceeded: The request was sent, and the deadline has passed.
            RequestStopped: The request was stopped.
        """
        # Spaces are encoded as %20: a runner may decode the query as a URI and not as a form.
        query = urlencode(params, safe="/", quote_via=quote)
        deadline.begin_request()
        try:
            with bound_to(deadline):
                return self._exchange(method, f"{url}?{query}" if query else url)
        except DeadlineExceeded as error:
            if deadline.has_sent:
                raise
            raise NothingStarted(text("outcomes.unreachable_in_time")) from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            if deadline.has_sent:
                raise MayHaveStarted(text("outcomes.broke_off")) from error
            raise NothingStarted(text("outcomes.unreachable")) from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _exchange(self, method: str, url: str) -> Answer:
        attributes = {
            "http.request.method": method,
            "url.full": without_credentials(url),
            "server.address": urlsplit(url).hostname or "",
        }
        with self._tracing.span(method, attributes, kind=SpanKind.CLIENT) as span:
            trace = trace_context.get()
            answer = self._answer(
                method, url, _HEADERS if trace is None else (*_HEADERS, *trace.headers.items())
            )
            span.set({"http.response.status_code": answer.status})
            return answer

    def _answer(self, method: str, url: str, sent: Sequence[tuple[str, str]]) -> Answer:
        timeouts = {"connect": self._connect_timeout_s}
        with self._pool.stream(method, url, headers=sent, extensions={"timeout": timeouts}) as response:
            headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            content_type = headers.get(b"content-type", "")
            answer = Answer(
                status=response.status,
                content_type=content_type,
                retry_after_s=_retry_after(headers.get(b"retry-after")),
            )
            max_bytes = self._max_answer_bytes if answer.is_success else FAILURE_BYTES
            place = OverflowFile(directory=self._spool_directory)
            try:
                return answer.with_body(response.iter_stream(), max_bytes, place)
            except BaseException:
                place.close()
                raise


def _retry_after(value: str | None) -> float | None:
    """Parse `Retry-After` (RFC 9110, 10.2.3), a number of seconds or a date; None if it is neither."""
    if value is None:
        return None
    if value.isascii() and value.strip().isdigit():
        return float(value.strip()[:_DIGITS])
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)
