"""Protection of forms against cross-site request forgery.

A form has to bring a token that other sites can neither read nor have sent. That of a visitor who has signed
in is derived from the secret of its session, and is good for this session alone (OWASP, "Cross-Site Request
Forgery Prevention Cheat Sheet", HMAC). That of any other visitor is also in a cookie (double submit). Nothing
is kept here, so any process can check. The origin of a request was checked before, by `origin_guard`: where
pages are not served by https, another port, or a name below this one, may plant a cookie.
"""

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from litestar.datastructures import Cookie
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from entrypoints.http.json_request import AnyRequest
from entrypoints.http.session_cookie import SessionCookies, cookie_of
from entrypoints.http.unreadable_body import UnreadableBody
from entrypoints.http.visitors import form_token

FIELD = "csrf"
_COOKIE = "service_server_csrf"
_TOKEN_CHARS = 43  # of 32 bytes in base64
_MAX_FIELDS = 64


class ForgedRequest(Exception):
    """The form does not come from a page of this service."""

    def __init__(self) -> None:
        super().__init__("the form is not from a page of this service, or too old: load the page anew")


def token_of(request: AnyRequest) -> tuple[str, Cookie | None]:
    """Return the token of a page's forms, and the cookie that goes with it, if one does."""
    cookies = cookies_of(request)
    bound = form_token(request, cookies)
    if bound is not None:
        return bound, None
    token = cookie_of(request.scope, _name(cookies))
    if len(token) != _TOKEN_CHARS:
        token = secrets.token_urlsafe(32)
    path = "/" if cookies.secure else "/dashboard"
    return token, Cookie(
        key=_name(cookies), value=token, path=path, httponly=True, samesite="strict", secure=cookies.secure
    )


async def read_form(request: AnyRequest) -> Mapping[str, str]:
    """Return the fields of a form that comes from a page of this service.

    Raises:
        ForgedRequest: It comes from elsewhere, or from a page of another session.
        UnreadableBody: It is not written as this service's pages write forms.
    """
    token = _expected_token(request)
    fields = await asyncio.to_thread(_parse, await request.body())
    _check(token, fields.get(FIELD, ""))
    return fields


async def read_file_form(request: AnyRequest) -> Mapping[str, bytes]:
    """Return the fields of a form with files, and the files' contents, by their names.

    Raises:
        ForgedRequest: It comes from elsewhere, or from a page of another session.
        UnreadableBody: It is not written as this service's pages write forms.
    """
    token = _expected_token(request)
    boundary = request.content_type[1].get("boundary", "")
    if not boundary:  # no page of this service sends such a form
        raise ForgedRequest
    fields = await asyncio.to_thread(_parse_parts, boundary, await request.body())
    _check(token, fields.get(FIELD, b"").decode("ascii", "replace"))
    return fields


def _expected_token(request: AnyRequest) -> str:
    cookies = cookies_of(request)
    token = form_token(request, cookies) or cookie_of(request.scope, _name(cookies))
    if not token:
        raise ForgedRequest
    return token


def _check(expected: str, token: str) -> None:
    if not secrets.compare_digest(expected.encode(), token.encode()):
        raise ForgedRequest


def cookies_of(request: AnyRequest) -> SessionCookies:
    """Return the cookies of the application that a request is for."""
    cookies: SessionCookies = request.app.state.session_cookies
    return cookies


def _name(cookies: SessionCookies) -> str:
    return cookies.name(_COOKIE)


def _parse(body: bytes) -> Mapping[str, str]:
    """Read a form as pages send it (WHATWG URL, 5.1), on a thread, for it may be as large as a program."""
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))
    except ValueError as error:
        raise UnreadableBody("the form is not written as a page of this service writes it") from error


def _parse_parts(boundary: str, body: bytes) -> Mapping[str, bytes]:
    """Read a form with files (RFC 7578)."""
    fields: dict[str, bytearray] = {}
    name = ""
    try:
        parser = PushMultipartParser(boundary, max_segment_count=_MAX_FIELDS, strict=True)
        for event in (*parser.parse(body), *parser.parse(b"")):
            if isinstance(event, MultipartSegment):
                name = event.name or ""
                fields[name] = bytearray()
            elif event is not None:
                fields[name] += event
        parser.close()
    except MultipartError as error:
        raise UnreadableBody("the form is not written as a page of this service writes it") from error
    return {name: bytes(content) for name, content in fields.items()}
