import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import IO, Self
from urllib.parse import quote, urlencode

import httpcore

from adapters.common.overflow_file import OverflowFile
from adapters.http_engine.call import Call, DeadlinePassed
from adapters.http_engine.network import CallBackend, serving
from adapters.http_engine.spool import Spool
from adapters.http_engine.troubles import MayHaveStarted, NothingStarted

# Idle connections are given up before the runners' servers do it (Node.js: 5 s, gunicorn: 2 s), so that no
# request leaves on a connection that is being closed: it could not be told whether it had arrived.
IDLE_CONNECTION_S = 1.0
# Of an answer that tells of a failure, no more is read than a runner may need to name its cause.
FAILURE_BYTES = 64 << 10

# More are no number of seconds that anybody waits for.
_DIGITS = 9
_HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "identity"),  # the cap on what is read holds for what it unpacks to
    ("User-Agent", "service-server"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the engine answered, to be closed.

    Attributes:
        body: What was read of its content, from the start.
        size: How much that is.
        is_whole: False where more came than was read.
        retry_after_s: How long the engine asks to be left alone; None if it does not say.
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
        """Whether the status is one of the 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - RFC 9110, 15: the first digit is the class

    def with_body(self, pieces: Iterable[bytes], max_bytes: int, place: OverflowFile) -> Self:
        """Read the body as far as `max_bytes`, to a place that is closed with the answer."""
        size = 0
        for piece in pieces:
            place.write(piece[: max_bytes - size])
            size += len(piece)
            if size > max_bytes:
                break
        return replace(self, body=place.rewound(), size=min(size, max_bytes), is_whole=size <= max_bytes)


class EngineClient:
    """One pool of connections to a runner. Safe to use from several threads. Follows no redirect.

    Args:
        connect_timeout_s: How long one connection may take to be made.
        max_answer_bytes: How much is read of an outcome.
        max_idle_connections: How many connections wait for the next request.
        spool: Where an answer waits while it comes.
        tls: What servers are trusted by; None where none is spoken to in TLS.
    """

    def __init__(
        self,
        connect_timeout_s: float,
        max_answer_bytes: int,
        max_idle_connections: int,
        spool: Spool,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._max_answer_bytes = max_answer_bytes
        self._spool = spool
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=None,  # callers are bounded already; waiting here could not be stopped
            max_keepalive_connections=max_idle_connections,
            keepalive_expiry=IDLE_CONNECTION_S,
            network_backend=CallBackend(),
        )

    def send(self, method: str, url: str, params: Mapping[str, str], call: Call) -> Answer:
        """Send one request and read its answer.

        Raises:
            NothingStarted: The request never left.
            MayHaveStarted: It did, and no whole answer came back.
            DeadlinePassed: It did, and the call's time is up.
            CallStopped: The call was stopped.
        """
        # Spaces as %20: a runner may decode the query as a URI's and not as a form's.
        query = urlencode(params, safe="/", quote_via=quote)
        call.begin_request()
        try:
            with serving(call):
                return self._exchange(method, f"{url}?{query}" if query else url)
        except DeadlinePassed as error:
            if call.has_sent:
                raise
            raise NothingStarted("The engine could not be reached in the job's time.") from error
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            if call.has_sent:
                raise MayHaveStarted("The engine broke off before its answer was complete.") from error
            raise NothingStarted("The engine could not be reached.") from error

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def _exchange(self, method: str, url: str) -> Answer:
        timeouts = {"connect": self._connect_timeout_s}
        with self._pool.stream(method, url, headers=_HEADERS, extensions={"timeout": timeouts}) as response:
            headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
            content_type = headers.get(b"content-type", "")
            answer = Answer(
                status=response.status,
                content_type=content_type,
                retry_after_s=_retry_after(headers.get(b"retry-after")),
            )
            max_bytes = self._max_answer_bytes if answer.is_success else FAILURE_BYTES
            place = self._spool.open()
            try:
                return answer.with_body(response.iter_stream(), max_bytes, place)
            except BaseException:
                place.close()
                raise


def _retry_after(value: str | None) -> float | None:
    """Read the header (RFC 9110, 10.2.3): a number of seconds, or a date; what is neither says nothing."""
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
