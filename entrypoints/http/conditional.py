"""Conditional requests: content that the client already has is not sent again (RFC 9110, 13)."""

import hashlib
import re
from collections.abc import Iterable

from litestar.enums import HttpMethod, ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from entrypoints.http.origin_guard import headers

_DIGEST_BYTES = 16
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*+")')
# The statuses that the condition precedes: a range that cannot be satisfied is looked at only after it.
_PRECEDED = frozenset({200, 206, 416})
# Headers that describe the omitted content.
_OF_CONTENT = frozenset(
    {
        b"accept-ranges",
        b"content-type",
        b"content-length",
        b"content-disposition",
        b"content-encoding",
        b"content-range",
    }
)


def entity_tag(content: bytes, *, weak: bool = False) -> str:
    """Return the entity tag of content, weak if equivalent content may differ in bytes."""
    digest = hashlib.blake2b(content, digest_size=_DIGEST_BYTES).hexdigest()
    return f'W/"{digest}"' if weak else f'"{digest}"'


class ConditionalRequests:
    """Answers 304 if the request's If-None-Match names the entity tag of the response.

    Tags are compared weakly, and the condition precedes a Range (RFC 9110, 13.1.2 and 13.2.2).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and omit the content of a response that the client has."""
        if scope["type"] == ScopeType.HTTP and scope["method"] == HttpMethod.GET:
            known = ",".join(headers(scope, b"if-none-match"))
            send = _Answer(send, known).send if known else send
        await self._app(scope, receive, send)


class _Answer:
    """A response to a client that named entity tags; a 304 replaces it if one matches."""

    def __init__(self, send: Send, known: str) -> None:
        self._send = send
        self._known = known
        self._is_cut = False
        self._is_ended = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] in _PRECEDED and self._has(message["headers"]):
                self._is_cut = True
                message["status"] = 304
                message["headers"] = [one for one in message["headers"] if one[0].lower() not in _OF_CONTENT]
        elif self._is_cut:
            if self._is_ended:
                return
            self._is_ended = True
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    def _has(self, sent: Iterable[tuple[bytes, bytes]]) -> bool:
        tag = next((value.decode("latin-1") for name, value in sent if name.lower() == b"etag"), None)
        if tag is None:
            return False
        return self._known.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(self._known)
