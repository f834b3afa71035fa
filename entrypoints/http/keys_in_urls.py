"""Refusal of API keys in query strings, which logs, histories and proxies keep."""

from urllib.parse import parse_qsl, unquote_plus

from litestar.types import HTTPScope

from domain.api_key import has_key
from entrypoints.http.origin_guard import RequestRefused

# The names by which other services take keys there (RFC 6750, 2.3, and usage).
_NAMES = frozenset({"access_token", "api_key", "apikey", "x-auth-token"})


class KeyInUrl(RequestRefused):
    """The query string has an API key in it, or is meant to have one."""

    def __init__(self) -> None:
        super().__init__(
            "API keys are not taken from URLs, which logs and histories keep: send the key in the header "
            "`Authorization: Bearer ssk_...`, and revoke one that was sent in a URL"
        )


def refuse_key_in_query(scope: HTTPScope) -> None:
    """Refuse a request with an API key in its query string.

    Raises:
        KeyInUrl: A parameter has one, or is named like one that is for keys.
    """
    query = scope["query_string"].decode("latin-1")
    if not query:
        return
    names = {name.lower() for name, _value in parse_qsl(query, keep_blank_values=True)}
    if not names.isdisjoint(_NAMES) or has_key(unquote_plus(query)):
        raise KeyInUrl
