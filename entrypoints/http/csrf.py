"""Keeps other sites from posting forms here in their visitors' name.

A form has to bring the token that a cookie has, which other sites can neither read nor have sent (OWASP,
"Cross-Site Request Forgery Prevention Cheat Sheet", double submit). Nothing is kept here, so any process can
check.
"""

import secrets
from collections.abc import Mapping

from litestar.datastructures import Cookie

from entrypoints.http.json_request import AnyRequest, UnreadableBody

FIELD = "csrf"
_COOKIE = "service_server_csrf"
_TOKEN_CHARS = 43  # of 32 bytes in base64
_OWN_SITES = {"same-origin", "none"}


class ForgedRequest(Exception):
    """The form does not come from a page of this service."""

    def __init__(self) -> None:
        super().__init__("the form is not from a page of this service, or too old: load the page anew")


def token_of(request: AnyRequest) -> str:
    """Return the visitor's token, new if there is none."""
    token = request.cookies.get(_COOKIE, "")
    return token if len(token) == _TOKEN_CHARS and token.isascii() else secrets.token_urlsafe(32)


def cookie(token: str, *, secure: bool) -> Cookie:
    """Return the cookie that keeps a token."""
    return Cookie(
        key=_COOKIE, value=token, path="/dashboard", httponly=True, samesite="strict", secure=secure
    )


async def read_form(request: AnyRequest) -> Mapping[str, str]:
    """Return the fields of a form that comes from a page of this service.

    Raises:
        ForgedRequest: It comes from elsewhere.
        UnreadableBody: It is written in no encoding that there is.
    """
    try:
        form = await request.form()
    except (LookupError, UnicodeDecodeError) as error:
        raise UnreadableBody("the form is not in the encoding that it names") from error
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    token = request.cookies.get(_COOKIE, "")
    is_own = request.headers.get("sec-fetch-site", "none") in _OWN_SITES
    if not token or not is_own or not secrets.compare_digest(token.encode(), fields.get(FIELD, "").encode()):
        raise ForgedRequest
    return fields
