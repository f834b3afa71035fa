"""Refusal of API keys in query strings, because logs, histories and proxies store URLs."""

from urllib.parse import parse_qsl, unquote_plus

from litestar.types import HTTPScope

from domain.api_key import has_key
from entrypoints.http.origin_guard import RequestRefused

# The names of parameters in which other services accept keys (RFC 6750, 2.3, and common practice).
_NAMES = frozenset({"access_token", "api_key", "apikey", "x-auth-token"})


class KeyInUrl(RequestRefused):
    """The query string contains an API key, or a parameter for one."""

    def __init__(self) -> None:
        super().__init__(
            "API keys are not accepted in URLs, which are kept in logs and histories: send the key in the "
            "header `Authorization: Bearer ssk_...`, and revoke one that was sent in a URL"
        )


def refuse_key_in_query(scope: HTTPScope) -> None:
    """Refuse a request with an API key in its query string.

    Raises:
        KeyInUrl: A parameter contains a key, or has a name that is used for keys.
    """
    query = scope["query_string"].decode("latin-1")
    if not query:
        return
    names = {name.lower() for name, _value in parse_qsl(query, keep_blank_values=True)}
    if not names.isdisjoint(_NAMES) or has_key(unquote_plus(query)):
        raise KeyInUrl
