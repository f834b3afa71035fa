"""Requests with an Idempotency-Key header take effect once; repeated requests get the first response.

The header follows draft-ietf-httpapi-idempotency-key-header-07.
"""

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send
from litestar.types import Scope as AnyScope

from application.errors import (
    AnswerLost,
    DependencyUnavailable,
    KeyReused,
    NotAuthenticated,
    RequestInWork,
)
from application.idempotent_requests import IdempotentRequests
from application.log_context import outage_of
from application.ports.clock import Clock
from domain.caller import Caller, Scope
from domain.idempotency import IDEMPOTENCY_KEY_MAX_CHARS, IdempotentRequest, StoredAnswer
from domain.tenant import TenantName
from entrypoints.http.callers import key_text
from entrypoints.http.json_request import JsonRequest
from entrypoints.http.origin_guard import headers
from entrypoints.http.presenter import without_links, without_secret
from entrypoints.http.sealing import Unopened, open_sealed, seal

logger = logging.getLogger("service_server.http")

IDEMPOTENCY_KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
# The key of a route's `opt` for responses that contain a secret, which are stored sealed.
SECRET_ANSWER = "secret_answer"  # noqa: S105 - the name of an option
_STATE = "idempotency"
# A string of structured fields (RFC 9651, 3.3.3), or bare text.
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-~][ -~]*")
_ESCAPED = re.compile(r'\\(["\\])')
# Headers that belong to the response, rather than to the connection, the caller or the moment.
_KEPT_HEADERS = frozenset({b"content-type", b"etag", b"link", b"location", b"x-ignored-fields"})
# A response that is this late is considered lost.
_GRACE_S = 5.0
# Larger bodies are hashed on a thread.
_LARGE_BYTES = 64 << 10
_FIRST_ERROR = 400


class MalformedKey(Exception):
    """The Idempotency-Key header does not contain exactly one valid key."""

    def __init__(self) -> None:
        super().__init__(
            f"{IDEMPOTENCY_KEY_HEADER} is given once, with 1 to {IDEMPOTENCY_KEY_MAX_CHARS} printable ASCII "
            "characters, as they are or as a string in quotes"
        )


def parse_key(values: Sequence[str]) -> str:
    """Return the key in the header's values.

    Raises:
        MalformedKey: There are several values, or the value is too long, empty or not printable.
    """
    text = values[0].strip(" \t")
    quoted = _QUOTED.fullmatch(text)
    key = _ESCAPED.sub(r"\1", quoted[1]) if quoted else text
    is_one = len(values) == 1 and (quoted or _BARE.fullmatch(text))
    if not is_one or not 1 <= len(key) <= IDEMPOTENCY_KEY_MAX_CHARS:
        raise MalformedKey
    return key


class KeyedRequests:
    """The requests with idempotency keys that this process is answering.

    Args:
        records: The records of the requests that took effect.
        max_wait_s: The longest time that a response waits for the end of a job.
        max_response_bytes: The maximum size of a response that is stored. A database server closes the
            connection if a statement exceeds its `max_allowed_packet`, which looks like an outage.
    """

    def __init__(
        self, records: IdempotentRequests, clock: Clock, max_wait_s: float, max_response_bytes: int
    ) -> None:
        self.records = records
        self.max_response_bytes = max_response_bytes
        self._clock = clock
        self._max_wait_s = max_wait_s
        self._in_work: dict[tuple[TenantName, str], str] = {}

    async def begin(self, request: JsonRequest, caller: Caller) -> Caller:
        """Return a caller with its request, and mark the request as in progress if it has a key.

        Raises:
            KeyReused: Another request with this key is in progress.
            RequestInWork: The same request is in progress.
        """
        keyed: KeyedRequest | None = request.scope["state"].get(_STATE)
        if keyed is None:
            return caller
        if keyed.caller is None:
            described = await self._describe(request, caller, keyed.key)
            self._note(caller, described)
            keyed.caller = replace(caller, idempotency=described)
        return keyed.caller

    def end(self, keyed: "KeyedRequest") -> None:
        """Mark a request as no longer in progress, if it was."""
        caller = keyed.caller
        if caller is not None and caller.idempotency is not None:
            del self._in_work[caller.tenant.name, caller.idempotency.key]

    async def _describe(self, request: JsonRequest, caller: Caller, key: str) -> IdempotentRequest:
        """Return the record of a request with a key, which contains only digests."""
        # The keys of a caller limited to one project are separate from the keys of other callers.
        reach = "" if caller.project is None else str(caller.project)
        received_at = self._clock.now()
        due_in_s = self._wait_s(request.query_params.get("wait", "0")) + _GRACE_S
        return IdempotentRequest(
            id=uuid4(),
            key=hashlib.sha256(f"{reach}:{key}".encode()).hexdigest(),
            fingerprint=await _fingerprint(key, request),
            received_at=received_at,
            answer_due=received_at + timedelta(seconds=due_in_s),
        )

    def _note(self, caller: Caller, request: IdempotentRequest) -> None:
        name = (caller.tenant.name, request.key)
        first = self._in_work.get(name)
        if first is None:
            self._in_work[name] = request.fingerprint
        elif hmac.compare_digest(first, request.fingerprint):
            raise RequestInWork
        else:
            raise KeyReused

    def _wait_s(self, asked_for: str) -> float:
        try:
            seconds = float(asked_for)
        except ValueError:  # refused later
            return 0.0
        return seconds if 0 <= seconds <= self._max_wait_s else self._max_wait_s


@dataclass(slots=True)
class KeyedRequest:
    """A request with a key, while the application handles it.

    Attributes:
        caller: The caller with its request; None until a handler has taken it.
    """

    key: str
    caller: Caller | None = None


class IdempotencyMiddleware:
    """Stores the responses to POST requests with keys, and returns them for repeated requests.

    The transaction of a repeated request finds the record of the first one, unless the request fails earlier.
    Only then is the first response looked up, so a request that is not repeated costs no lookup.
    """

    def __init__(self, app: ASGIApp, requests: KeyedRequests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: AnyScope, receive: Receive, send: Send) -> None:
        """Pass a request on, and return its response or the first one.

        Raises:
            MalformedKey: The header does not contain exactly one valid key.
            Repeated: The first response cannot be returned again.
        """
        if scope["type"] != ScopeType.HTTP or not (keys := _given_keys(scope)):
            await self._app(scope, receive, send)
            return
        keyed = KeyedRequest(parse_key(keys))
        scope["state"][_STATE] = keyed
        answer = _HeldAnswer(send)
        try:
            await self._app(scope, receive, answer.send)
            made = answer.made
            if keyed.caller is not None and made is not None:
                first = await asyncio.to_thread(self._first_answer, scope, keyed.caller, made)
                if first is not None:
                    is_linked = keyed.caller.has(Scope.LOGS_READ)
                    answer.replace(first if is_linked else replace(first, body=without_links(first.body)))
        finally:
            self._requests.end(keyed)
        await answer.release()

    def _first_answer(self, scope: HTTPScope, caller: Caller, made: StoredAnswer) -> StoredAnswer | None:
        """Return the response to send instead of this one, if any; store this one if it is the first."""
        records, is_error = self._requests.records, made.status >= _FIRST_ERROR
        if not is_error and len(made.body) > self._requests.max_response_bytes:
            return None
        try:
            if not scope["route_handler"].opt.get(SECRET_ANSWER):
                kept = replace(made, body=without_secret(made.body))
                return records.find(caller) if is_error else records.keep(caller, kept)
            sealing = _sealing(scope, caller)
            if sealing is None:
                return None
            return sealing.opened(
                records.find(caller) if is_error else records.keep(caller, sealing.sealed(made))
            )
        except DependencyUnavailable as error:
            logger.warning("response sent without an idempotency record: %s", error, extra=outage_of(error))
            return None


class _Sealing:
    """Seals the responses to one request with the caller's own credential."""

    def __init__(self, credential: str, key: str) -> None:
        self._credential = credential.encode()
        self._key = key.encode()

    def sealed(self, answer: StoredAnswer) -> StoredAnswer:
        return replace(answer, body=seal(answer.body, self._credential, self._key))

    def opened(self, answer: StoredAnswer | None) -> StoredAnswer | None:
        if answer is None:
            return None
        try:
            return replace(answer, body=open_sealed(answer.body, self._credential, self._key))
        except Unopened:
            raise AnswerLost from None


def _sealing(scope: HTTPScope, caller: Caller) -> _Sealing | None:
    """Return the sealing for the API key in a request, or None if it has none."""
    if caller.idempotency is None:
        return None
    try:
        return _Sealing(key_text(scope), caller.idempotency.key)
    except NotAuthenticated:
        return None


class _HeldAnswer:
    """A response that is held until it is sent or replaced by another.

    A response in several pieces, such as a stream, is not held.

    Attributes:
        made: The response, once it is complete and held.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._held: list[Message] = []
        self._is_stream = False
        self.made: StoredAnswer | None = None

    async def send(self, message: Message) -> None:
        """Take a message of the response."""
        self._held.append(message)
        if message["type"] != "http.response.body":
            return
        if message.get("more_body") or self._is_stream:
            self._is_stream = True
            await self.release()
            return
        start = self._held[0]
        if start["type"] == "http.response.start":
            kept = _kept(start["headers"])
            self.made = StoredAnswer(status=start["status"], headers=kept, body=message["body"])

    def replace(self, answer: StoredAnswer) -> None:
        """Replace the held response by another one."""
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
        fields += [
            (b"content-length", str(len(answer.body)).encode()),
            (REPLAYED_HEADER.lower().encode(), b"true"),
        ]
        self._held = [
            {"type": "http.response.start", "status": answer.status, "headers": fields},
            {"type": "http.response.body", "body": answer.body, "more_body": False},
        ]

    async def release(self) -> None:
        """Send the held messages."""
        held, self._held = self._held, []
        for message in held:
            await self._send(message)


def _given_keys(scope: HTTPScope) -> Sequence[str]:
    if scope["method"] != HttpMethod.POST:
        return ()
    return headers(scope, IDEMPOTENCY_KEY_HEADER.lower().encode())


def _kept(fields: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in fields
        if name.lower() in _KEPT_HEADERS
    )


async def _fingerprint(key: str, request: JsonRequest) -> str:
    """Return the HMAC of a request, keyed by its idempotency key, which is stored only as a hash."""
    scope = request.scope
    body = await request.fingerprint()
    head = b"\n".join((request.method.encode(), scope["raw_path"], scope["query_string"], b""))

    def digest() -> str:
        code = hmac.new(key.encode(), head, hashlib.sha256)
        code.update(body)
        return code.hexdigest()

    return digest() if len(body) <= _LARGE_BYTES else await asyncio.to_thread(digest)
