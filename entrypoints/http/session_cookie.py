"""The cookies of the dashboard's visitors: for a session, and for a pending sign-in at a provider.

With https, the names begin with `__Host-`: a browser accepts such a cookie from this host only, so neither a
subdomain nor a page over http can plant one (RFC 6265bis, 4.1.3.2).

SameSite is Lax: Strict would withhold the cookies when an identity provider redirects a visitor here. Changes
are made by POST, for which Lax withholds the cookies from other sites too, and also require a token of the
form.
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import urlsplit

from litestar.datastructures import Cookie
from litestar.types import HTTPScope, WebSocketScope

from application.ports.identity_provider import SignInAttempt
from domain.errors import InvalidValue
from domain.session import SessionToken
from entrypoints.http.origin_guard import header, headers

_SESSION = "service_server_session"
_ATTEMPT = "service_server_sign_in"
_HOST_PREFIX = "__Host-"
ATTEMPT_S = 600
_ATTEMPT_MAX_CHARS = 3_000
_NEXT_MAX_CHARS = 1_000
_PAGES = "/dashboard"
_READS = frozenset({"GET", "HEAD"})

AnyScope = HTTPScope | WebSocketScope


@dataclass(frozen=True, slots=True)
class BegunSignIn:
    """A pending sign-in at the provider, and the page that the visitor goes to afterwards."""

    attempt: SignInAttempt
    begun_at: int
    next: str


class SessionCookies:
    """Reads and writes the cookies.

    Args:
        secure: Whether visitors use https.
    """

    def __init__(self, *, secure: bool) -> None:
        self.secure = secure
        self._session, self._attempt = self.name(_SESSION), self.name(_ATTEMPT)

    def name(self, name: str) -> str:
        """Return the full name of a cookie, which with https prevents other hosts from planting it."""
        return f"{_HOST_PREFIX}{name}" if self.secure else name

    def token(self, scope: AnyScope) -> SessionToken | None:
        """Return the secret of a visitor's session, or None if there is none or several."""
        try:
            return SessionToken(cookie_of(scope, self._session))
        except InvalidValue:
            return None

    def token_of_own_page(self, scope: AnyScope) -> SessionToken | None:
        """Return the session's secret if the request is for a page, or a page reads from the API with it.

        A browser also sends the cookie with requests from pages of other ports and subdomains, which must not
        reach the API.
        """
        if _is_page(scope) or (scope.get("method") in _READS and _is_made_by_own_page(scope)):
            return self.token(scope)
        return None

    def opened(self, token: SessionToken) -> Cookie:
        """Return the cookie of a new session, which the browser deletes when it is closed."""
        return self._cookie(self._session, token.value)

    def ended(self) -> Cookie:
        """Return the cookie that deletes a session's cookie."""
        return self._cookie(self._session, "", max_age=0)

    def begin(self, next_path: str, now: int) -> tuple[BegunSignIn, Cookie]:
        """Start a sign-in at the provider; return it with its cookie."""
        encoded = urlsafe_b64encode(next_path.encode()).decode().rstrip("=")
        text = f"{secrets.token_urlsafe(32)}.{now}.{encoded}"
        return BegunSignIn(SignInAttempt(text), now, next_path), self._cookie(
            self._attempt, text, max_age=ATTEMPT_S
        )

    def begun(self, scope: AnyScope, now: int) -> BegunSignIn | None:
        """Return the browser's pending sign-in, if it began in the last minutes.

        The whole text of the cookie is the secret of the attempt, so any change is detected.
        """
        text = cookie_of(scope, self._attempt)
        try:
            secret, begun_at, encoded = text.split(".")
            padding = "=" * (-len(encoded) % 4)
            begun = BegunSignIn(
                SignInAttempt(text), int(begun_at), urlsafe_b64decode(encoded + padding).decode()
            )
        except ValueError:
            return None
        if len(secret) < len(secrets.token_urlsafe(32)) or not 0 <= now - begun.begun_at < ATTEMPT_S:
            return None
        return begun

    def left(self) -> Cookie:
        """Return the cookie that deletes a sign-in's cookie."""
        return self._cookie(self._attempt, "", max_age=0)

    def _cookie(self, name: str, value: str, max_age: int | None = None) -> Cookie:
        return Cookie(
            key=name,
            value=value,
            path="/",
            httponly=True,
            samesite="lax",
            secure=self.secure,
            max_age=max_age,
        )


def cookie_of(scope: AnyScope, name: str) -> str:
    """Return the value of a cookie; empty if there is none, or several with different values.

    The framework would unquote all cookies, in a time quadratic in the number of their backslashes.
    """
    found = set()
    for text in headers(scope, b"cookie"):
        for pair in text.split(";"):
            given, _, value = pair.strip().partition("=")
            if given == name:
                found.add(value)
    value = found.pop() if len(found) == 1 else ""
    return value if len(value) <= _ATTEMPT_MAX_CHARS and value.isascii() else ""


def safe_next(text: str) -> str:
    """Return the dashboard path that a visitor requested, or the dashboard's first page.

    A link with another site's address would send visitors there after they sign in, without their notice.
    """
    path = urlsplit(text).path if _is_plain(text) else ""
    if path == _PAGES or (path.startswith(f"{_PAGES}/") and not path.startswith(f"{_PAGES}/sign-")):
        return text
    return _PAGES


def _is_plain(text: str) -> bool:
    """Whether a text is a path with a query, in characters that every browser interprets in the same way."""
    is_printable = text.isascii() and text.isprintable() and len(text) <= _NEXT_MAX_CHARS
    return is_printable and text.startswith(_PAGES) and not set(text) & set('\\ <>"') and "/." not in text


def _is_page(scope: AnyScope) -> bool:
    path = scope["path"]
    return path == _PAGES or path.startswith(f"{_PAGES}/")


def _is_made_by_own_page(scope: AnyScope) -> bool:
    """Whether a page of this origin makes the request (W3C, "Fetch Metadata Request Headers").

    Browsers omit Sec-Fetch-Site without https; the Referer identifies the page then.
    """
    site = header(scope, b"sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    try:
        referrer = urlsplit(header(scope, b"referer") or "")
    except ValueError:
        return False
    return (
        referrer.path.startswith(_PAGES)
        and referrer.netloc.lower() == (header(scope, b"host") or " ").lower()
    )
