"""Protection of forms against cross-site request forgery.

A form has to bring the token that a cookie has, which other sites can neither read nor have sent (OWASP,
"Cross-Site Request Forgery Prevention Cheat Sheet", double submit). Nothing is kept here, so any process can
check. Where a request comes from, `admission` has looked at before: a token may be planted, from another port
or a name below this one, where a page is not served by https.
"""

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from litestar.datastructures import Cookie

from entrypoints.http.json_request import AnyRequest, UnreadableBody
from entrypoints.http.origin_guard import headers

FIELD = "csrf"
_COOKIE = "service_server_csrf"
_TOKEN_CHARS = 43  # of 32 bytes in base64
_MAX_FIELDS = 64


class ForgedRequest(Exception):
    """The form does not come from a page of this service."""

    def __init__(self) -> None:
        super().__init__("the form is not from a page of this service, or too old: load the page anew")


def token_of(request: AnyRequest) -> str:
    """Return the visitor's token, new if there is none."""
    token = _cookie_of(request)
    return token if len(token) == _TOKEN_CHARS and token.isascii() else secrets.token_urlsafe(32)


def cookie(token: str, *, secure: bool) -> Cookie:
    """Return the cookie that keeps a token."""
    return Cookie(
        key=_COOKIE, value=token, path="/dashboard", httponly=True, samesite="strict", secure=secure
    )


def _cookie_of(request: AnyRequest) -> str:
    """Return the token that the visitor's cookie has, or nothing.

    The framework would undo the quoting of all cookies, in a time that grows with the square of their
    backslashes.
    """
    for text in headers(request.scope, b"cookie"):
        for pair in text.split(";"):
            name, _, value = pair.strip().partition("=")
            if name == _COOKIE:
                return value
    return ""


async def read_form(request: AnyRequest) -> Mapping[str, str]:
    """Return the fields of a form that comes from a page of this service.

    Raises:
        ForgedRequest: It comes from elsewhere.
        UnreadableBody: It is not written as this service's pages write forms.
    """
    token = _cookie_of(request)
    if not token:
        raise ForgedRequest
    fields = await asyncio.to_thread(_parse, await request.body())
    if not secrets.compare_digest(token.encode(), fields.get(FIELD, "").encode()):
        raise ForgedRequest
    return fields


def _parse(body: bytes) -> Mapping[str, str]:
    """Read a form as pages send it (WHATWG URL, 5.1), on a thread, for it may be as large as a program."""
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise UnreadableBody("the form is not written as a page of this service writes it") from error
