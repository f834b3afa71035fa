"""The client of the HTTP API for commands, and the parser of event streams."""

import base64
import json
import socket
import ssl
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeAlias
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from domain.api_key import KeyText
from domain.catalogue.text import Text, said_by, text, text_of
from entrypoints.cli.errors import ExitCode, Failure, Refusal, fault_of

# Only the code that reads an answer knows its type.
Json: TypeAlias = Any

_BYTES = "application/octet-stream"
_IDEMPOTENCY_KEY = "Idempotency-Key"
# The number of faults in the jobs of a batch that are shown.
_FAULTS_SHOWN = 10
# The connection broke, but the request may have taken effect.
_LOST = (httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.RemoteProtocolError)
# How long a request is repeated while the first one is still in progress. Requests take less time than this.
_IN_WORK_S = 15.0
# The largest page of a list.
_PAGE = 1_000
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# The answers of a proxy while the server restarts, and of a busy server.
_UNAVAILABLE = {httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.GATEWAY_TIMEOUT}
# The delays between attempts to resume a stream, long enough for a server to restart.
_RECONNECT_S = (0.2, 0.5, 1, 2, 4, 8)
# Streams send a heartbeat more often than this.
_TIMEOUT = httpx.Timeout(30, connect=5, read=60)


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """An event of a stream (WHATWG HTML, 9.2.6), with the id from which the stream can be resumed."""

    name: str
    data: str
    id: str | None


def read_events(pieces: Iterable[bytes]) -> Iterator[ServerSentEvent]:
    """Parse events from the pieces of a stream; skip comments, such as heartbeats."""
    name, data, last_id = "message", list[str](), None
    for line in _lines(pieces):
        if not line:
            if data:
                yield ServerSentEvent(name, "\n".join(data), last_id)
            name, data = "message", []
            continue
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
        elif field == "id":
            last_id = value


def _lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Join pieces and split them only at line feeds, because data may contain Unicode's other separators."""
    pending = b""
    for piece in pieces:
        *lines, pending = (pending + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")


class _BearerKey(httpx.Auth):
    """Sends an API key with requests to one server, but not to others to which it redirects."""

    def __init__(self, key: KeyText, server: httpx.URL) -> None:
        self._header = f"Bearer {key.value}"
        self._origin = _origin(server)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the header with the key."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = self._header
        yield request


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


class ServiceClient:
    """A client of the HTTP API. Methods raise Failure with the service's message if it refuses."""

    def __init__(self, http: httpx.Client, name: str, *, may_lose_answers: bool = True) -> None:
        self._http = http
        self._name = name
        self._may_lose_answers = may_lose_answers

    @classmethod
    def at(cls, url: str, key: KeyText | None = None) -> Self:
        """Build a client of the server at a URL, which sends an API key if there is one.

        The scheme may be omitted for this machine, as in localhost:8000.
        """
        url = _with_scheme(url)
        try:
            _check_base(url)
            auth = None if key is None else _BearerKey(key, httpx.URL(url))
            return cls(httpx.Client(base_url=url, timeout=_TIMEOUT, auth=auth), url)
        except (httpx.InvalidURL, ValueError) as error:
            raise Failure(_wrong_server(url, error), ExitCode.USAGE) from error
        except ImportError as error:  # SOCKS is an optional part of httpx
            raise Failure(text("cli.no_socks"), ExitCode.USAGE) from error
        except OSError as error:
            raise Failure(text("cli.no_certificates", detail=fault_of(error)), ExitCode.USAGE) from error

    @classmethod
    def on_socket(cls, path: str) -> Self:
        """Build a client of a server that listens on a Unix domain socket."""
        # An empty context, because loading the default one with its authorities takes 28 ms.
        transport = httpx.HTTPTransport(uds=path, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        http = httpx.Client(base_url="http://localhost", transport=transport, timeout=_TIMEOUT)
        return cls(http, "the embedded service", may_lose_answers=False)

    @property
    def url(self) -> httpx.URL:
        """The address of the server."""
        return self._http.base_url

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: str | float | None) -> Json:
        """Return a resource. Parameters that are None are omitted."""
        return self._json(self._answer("GET", path, params=_given(query)))

    def listed(self, path: str, limit: int, **query: Json) -> list[Json]:
        """Return up to `limit` items of a list, page by page (RFC 8288). Omits parameters that are None."""
        response = self._answer("GET", path, params=_given({"limit": min(limit, _PAGE), **query}))
        found: list[Json] = self._json(response)
        while len(found) < limit and "next" in response.links:
            response = self._answer("GET", response.links["next"]["url"])
            found += self._json(response)
        return found[:limit]

    def post(self, path: str, body: Json = None) -> Json:
        """Post a body and return the answer.

        Requests to a server have an idempotency key, and are repeated if the connection is lost.
        """
        return self._json(self._checked(partial(self._post, path, body)))

    def upload(self, job: Json, files: Mapping[str, bytes], stdin: bytes | None = None) -> Json:
        """Upload a job with additional files, by path, and its input; return the answer."""
        if len(files) == 1:  # sent as a part, a single archive would be unpacked
            listed = [{"path": path, "content_base64": _base64(content)} for path, content in files.items()]
            job, files = {**job, "files": listed}, {}
        if not files and stdin is None:
            return self.post("/api/upload", job)
        parts: list[Json] = [("job", (None, json.dumps(job), "application/json"))]
        parts += [("files", (path, content, _BYTES)) for path, content in files.items()]
        parts += [] if stdin is None else [("stdin", ("stdin", stdin, _BYTES))]
        return self._json(self._checked(partial(self._post, "/api/upload", files=parts)))

    def content(self, path: str) -> bytes:
        """Return the bytes of a resource."""
        return self._answer("GET", path).content

    def patch(self, path: str, body: Json) -> Json:
        """Change a resource and return it."""
        return self._json(self._answer("PATCH", path, json=body))

    def put(self, path: str, content: bytes, media_type: str) -> Json:
        """Put content and return the answer."""
        headers = {"Content-Type": media_type}
        return self._json(self._answer("PUT", path, content=content, headers=headers))

    def remove(self, path: str) -> None:
        """Delete a resource and ignore the answer."""
        self._answer("DELETE", path)

    def delete(self, path: str) -> Json:
        """Delete a resource and return the answer."""
        return self._json(self._answer("DELETE", path))

    def health(self) -> Json:
        """Return the health of every part of the service, even if the service is not ready."""
        try:
            return self._sent(partial(self._http.get, "/health/ready")).json()["dependencies"]
        except (httpx.DecodingError, ValueError, KeyError, TypeError) as error:
            raise Failure(text("cli.health_unknown", server=self._name)) from error

    def events(self, path: str, lost: Text) -> Iterator[ServerSentEvent]:
        """Follow a stream of events until its event `end`. An interrupted stream is resumed.

        Args:
            path: The path of the stream.
            lost: The message if the stream cannot be resumed.

        Raises:
            Failure: The service refuses, or the stream cannot be resumed.
        """
        last_id: str | None = None
        delays_s = iter(_RECONNECT_S)
        while True:
            failure = Failure(lost)
            with suppress(httpx.TransportError), self._stream(path, last_id) as response:
                if response.is_error:
                    response.read()
                    failure = self._refusal(response)
                    if response.status_code not in _UNAVAILABLE:
                        raise failure
                else:
                    for event in read_events(response.iter_bytes()):
                        if event.name == "end":
                            return
                        yield event
                        last_id = event.id or last_id
                        delays_s = iter(_RECONNECT_S)
            delay_s = next(delays_s, None)
            if delay_s is None:
                raise failure
            time.sleep(delay_s)

    def _stream(self, path: str, after: str | None) -> AbstractContextManager[httpx.Response]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": after} if after else {})
        return self._http.stream("GET", path, headers=headers)

    def _post(self, path: str, body: Json = None, **content: Json) -> httpx.Response:
        content = content or {"json": body}
        if not self._may_lose_answers:
            return self._http.request("POST", path, **content)
        headers = {_IDEMPOTENCY_KEY: str(uuid4())}
        send = partial(self._http.request, "POST", path, headers=headers, **content)
        try:
            return send()
        except _LOST:
            response = send()
        end = time.monotonic() + _IN_WORK_S
        while (delay_s := _in_work_for(response)) is not None and time.monotonic() + delay_s < end:
            time.sleep(delay_s)
            response = send()
        return response

    def _answer(self, method: str, path: str, **request: Json) -> httpx.Response:
        return self._checked(partial(self._http.request, method, path, **request))

    def _checked(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        response = self._sent(send)
        if response.is_error:
            raise self._refusal(response)
        return response

    def _sent(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send a request and return the answer, which may be an error."""
        try:
            return send()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise Failure(_wrong_server(self._name, error), ExitCode.USAGE) from error
        except httpx.TimeoutException as error:
            raise Failure(text("cli.no_answer", server=self._name)) from error
        except httpx.TransportError as error:
            raise Failure(text("cli.unreachable", server=self._name, detail=_obstacle(error))) from error

    def _json(self, response: httpx.Response) -> Json:
        """Return the JSON of an answer; another server may have answered something else."""
        try:
            return response.json()
        except ValueError:
            raise self._foreign(response) from None

    def _foreign(self, response: httpx.Response) -> Failure:
        return Failure(text("cli.foreign_answer", server=self._name, status=response.status_code))

    def _refusal(self, response: httpx.Response) -> Failure:
        try:
            problem = response.json()
            said = problem_sentence(problem)
            for fault in problem.get("errors", ())[:_FAULTS_SHOWN]:
                if "index" in fault:  # a fault in a job of a batch; others are in the detail
                    said = text("cli.fault_of_job", detail=said, index=fault["index"], fault=fault["detail"])
        except (ValueError, KeyError, TypeError, AttributeError):
            return self._foreign(response)
        if response.status_code == httpx.codes.UNAUTHORIZED:
            said = text("cli.key_hint", detail=said)
        return Refusal(said, _exit_code(response), problem.get("code"), problem.get("values") or {})


def _with_scheme(address: str) -> str:
    """Return the URL of an address. The scheme may be omitted for this machine, where it is http.

    Raises:
        Failure: The scheme is missing or unsupported, or there is no host.
    """
    if "://" not in address:
        try:
            is_here = httpx.URL(f"http://{address}").host in _LOOPBACK
        except httpx.InvalidURL:
            is_here = False
        if not is_here:
            raise Failure(text("cli.scheme_required", address=address), ExitCode.USAGE)
        return f"http://{address}"
    if not address.startswith(("http://", "https://")):
        raise Failure(text("cli.scheme_required", address=address), ExitCode.USAGE)
    return address


def _check_base(url: str) -> None:
    """Refuse a URL to which no path can be appended.

    Raises:
        ValueError: The URL has a query or a fragment, or its port is invalid.
    """
    parts = urlsplit(url)
    _ = parts.port  # raises if it is invalid
    if parts.query or parts.fragment:
        raise ValueError(text("settings.address_with_query"))


def problem_sentence(problem: Json) -> Text | str:
    """Return the sentence of a problem, as a text if this version's catalogue has the same sentence."""
    detail = str(problem["detail"])
    told = text_of({"code": problem.get("code"), "values": problem.get("values")})
    if told is None or not detail.endswith(str(told)):
        return detail
    field = detail.removesuffix(str(told)).removesuffix(": ")
    return text("problems.of_field", field=field, detail=told) if field else told


def _wrong_server(address: str, error: Exception) -> Text:
    return text("cli.wrong_server", address=address, detail=said_by(error))


def _obstacle(error: httpx.TransportError) -> Text | str:
    """Return why a server cannot be reached."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return text("cli.server_refused")
        if isinstance(cause, socket.gaierror):
            return text("cli.server_name_unknown")
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _in_work_for(response: httpx.Response) -> int | None:
    """Return the delay, in seconds, if the first request is still in progress; None otherwise."""
    delay_s = response.headers.get("Retry-After", "")
    is_in_work = response.status_code == httpx.codes.CONFLICT and delay_s.isdecimal()
    return int(delay_s) if is_in_work else None


def _exit_code(refusal: httpx.Response) -> ExitCode:
    if refusal.status_code == httpx.codes.UNPROCESSABLE_ENTITY:
        return ExitCode.USAGE
    return ExitCode.FAILED if refusal.is_client_error else ExitCode.SERVICE


def segment(text: str) -> str:
    """Quote a segment of a path (RFC 3986, 3.3)."""
    return quote(text, safe="")


def _given(query: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in query.items() if value is not None}
