"""Protection of forms against cross-site request forgery.

A form must contain a token that other sites can neither read nor set. The token of a visitor who has signed
in is derived from the secret of the session, and is valid for this session only (OWASP, "Cross-Site Request
Forgery Prevention Cheat Sheet", HMAC). The token of any other visitor is also in a cookie (double submit).
The service stores no tokens, so any process can check them. `origin_guard` has already checked the origin of
the request: without https, another port or a subdomain could plant a cookie.

SameSite of the cookie is Lax: Strict would withhold it when a visitor follows a link from another site, so
the page would set a new token, and the forms of all open pages would be refused.
"""

import asyncio
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qsl

from litestar.datastructures import Cookie

from application.file_spool import FileSpool
from domain.catalogue.text import text
from entrypoints.http.file_form import MAX_FIELDS, NOT_OURS, FileForm, FileFormReader
from entrypoints.http.json_request import MULTIPART, AnyRequest, JsonRequest
from entrypoints.http.session_cookie import SessionCookies, cookie_of
from entrypoints.http.unreadable_body import UnreadableBody
from entrypoints.http.visitors import form_token

FIELD = "csrf"
_COOKIE = "service_server_csrf"
_TOKEN_CHARS = 43  # 32 bytes in Base64


class ForgedRequest(Exception):
    """The form does not come from a page of this service."""

    def __init__(self) -> None:
        super().__init__(text("problems.forged_request"))


def token_of(request: AnyRequest) -> tuple[str, Cookie | None]:
    """Return the token for a page's forms, and the cookie to set with it, if there is one."""
    cookies = cookies_of(request)
    bound = form_token(request, cookies)
    if bound is not None:
        return bound, None
    token = cookie_of(request.scope, _name(cookies))
    if len(token) != _TOKEN_CHARS:
        token = secrets.token_urlsafe(32)
    path = "/" if cookies.secure else "/dashboard"
    return token, Cookie(
        key=_name(cookies), value=token, path=path, httponly=True, samesite="lax", secure=cookies.secure
    )


async def read_form(request: AnyRequest) -> Mapping[str, str]:
    """Return the fields of a form that was sent from a page of this service.

    Raises:
        ForgedRequest: The form comes from another site, or from a page of another session.
        UnreadableBody: The form is not encoded as this service's pages encode forms.
    """
    token = _expected_token(request)
    fields = await asyncio.to_thread(_parse, await request.body())
    _check(token, fields.get(FIELD, ""))
    return fields


async def read_file_form(request: JsonRequest) -> FileForm:
    """Return a form that may contain files.

    Raises:
        ForgedRequest: The form comes from another site, or from a page of another session.
        UnreadableBody: The form is not encoded as this service's pages encode forms.
    """
    media_type, options = request.content_type
    if media_type != MULTIPART:
        return FileForm(await read_form(request), (), FileSpool())
    token = _expected_token(request)
    state, boundary = request.app.state, options.get("boundary", "")
    form = await request.receive_files(
        lambda spool: FileFormReader(boundary, spool, state.file_limits.files, state.max_body_bytes)
    )
    _check(token, form.fields.get(FIELD, ""))
    return form


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
    """Return the session cookies of the application that handles the request."""
    cookies: SessionCookies = request.app.state.session_cookies
    return cookies


def _name(cookies: SessionCookies) -> str:
    return cookies.name(_COOKIE)


def _parse(body: bytes) -> Mapping[str, str]:
    """Parse an urlencoded form (WHATWG URL, 5.1). Runs on a thread: the form may contain a program."""
    try:
        text = body.decode("ascii")
        return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError as error:
        raise UnreadableBody(NOT_OURS) from error
