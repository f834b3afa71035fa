"""Protection against requests from pages of other sites."""

import logging
import re
from urllib.parse import urlsplit

from litestar.config.cors import CORSConfig
from litestar.types import HTTPScope, WebSocketScope

from entrypoints.settings import PREFIX

logger = logging.getLogger("service_server.http.refused")

# Load balancers send their address as the host, and health is no secret.
_OPEN_TO_ANY_HOST = "/health/"
# Only this service's own pages post here.
_PAGES = "/dashboard/"
# RFC 9112, 3.2 and RFC 3986, 3.2.2, without characters that occur in no server's name.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?", re.IGNORECASE | re.ASCII)
# Paths that are not in canonical form (RFC 3986, 6.2.2): empty and dot segments, other separators, NUL,
# percent-encoded characters that need no encoding (except "~", which old encoders encode), and invalid
# percent-encoding.
_OTHER_FORM = re.compile(
    rb"//|/\.\.?(?:/|\Z)|\\|%(?:00|2[DEF]|3[0-9]|[46][1-9A-F]|5[0-9ACF]|7[0-9A])|%(?![0-9A-F]{2})",
    re.IGNORECASE,
)
# Paths that end in a parameter whose slashes generated clients encode (RFC 6570, 3.2.2).
_BEFORE_A_PATH = re.compile(rb"/api/jobs/[^/]+/artifacts/")
_ENCODED_SLASH = re.compile(rb"%2F", re.IGNORECASE)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
# Callers choose the logged names, so the number and the length of the names kept are limited.
MAX_REFUSED_NAMES = 100
_MAX_REFUSED_CHARS = 255


class RequestRefused(Exception):
    """The guard refuses the request."""


class HostRefused(RequestRefused):
    """The request's host is not a name of this service."""

    def __init__(self) -> None:
        super().__init__("the requested host is not allowed; SERVICE_SERVER_ALLOWED_HOSTS allows more hosts")


class CrossSiteRequest(RequestRefused):
    """A page of another site made a request that would change something."""

    def __init__(self) -> None:
        super().__init__(
            "requests from pages of other sites are not allowed; SERVICE_SERVER_CORS_ORIGINS allows origins"
        )


class PathNotCanonical(RequestRefused):
    """The path is not in canonical form."""

    def __init__(self) -> None:
        super().__init__(
            "there is nothing at this path: paths have no empty or dot segments, no backslashes, and no "
            "percent-encoded slashes, letters or digits"
        )


class OriginGuard:
    """Refuses cross-site requests, unknown hosts, and paths that are not canonical.

    A proxy that protects `/api/keys` matches only that path, so neither `//api/keys` nor `/api%2fkeys` may
    lead to the same handler. One slash at the end of a path is ignored, and an artifact's path may have its
    slashes encoded.

    An attacker's name can resolve to this host (DNS rebinding), so only known hosts are served. Any page can
    post without a preflight, so changes are accepted from known origins only (W3C, "Fetch Metadata Request
    Headers"). Clients other than browsers send neither Sec-Fetch-Site nor Origin.

    Args:
        hosts: The names of this service, in lower case; None for any.
        cors: The origins that may call.
    """

    def __init__(self, hosts: frozenset[str] | None, cors: CORSConfig) -> None:
        self._hosts = hosts
        self._cors = cors
        self._log = RefusalLog()

    def check(self, scope: HTTPScope) -> None:
        """Refuse a request, or remove an Origin that is not allowed, so its pages cannot read the response.

        Raises:
            RequestRefused: Its path, its host or its origin is not accepted.
        """
        if _OTHER_FORM.search(_with_slashes(scope["raw_path"])):
            raise PathNotCanonical
        hosts = headers(scope, b"host")
        host = hosts[0] if len(hosts) == 1 else ""
        is_known = self._hosts is None or _name(host) in self._hosts
        if not is_known and not scope["path"].startswith(_OPEN_TO_ANY_HOST):
            self._log.host(header(scope, b"host") or "")
            raise HostRefused
        origin = header(scope, b"origin")
        if scope["method"] not in _SAFE_METHODS and self._is_cross_site(scope, host):
            if origin is not None:
                self._log.origin(origin)
            raise CrossSiteRequest
        if origin is not None and not self._cors.is_origin_allowed(origin):
            if not _is_origin_of(origin, header(scope, b"host") or ""):
                self._log.origin(origin)
            scope["headers"] = [field for field in scope["headers"] if field[0] != b"origin"]

    def _is_cross_site(self, scope: HTTPScope, host: str) -> bool:
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        is_for_pages = scope["path"].startswith(_PAGES)
        if origin and not is_for_pages and self._cors.is_origin_allowed(origin):
            return False
        if site is not None:
            return site not in _OWN_SITES
        return origin is not None and not _is_origin_of(origin, host)


class RefusalLog:
    """Logs each refused name once."""

    def __init__(self) -> None:
        self._hosts: set[str] = set()
        self._origins: set[str] = set()

    def host(self, name: str) -> None:
        """Log the refusal of requests for a host."""
        self._log(self._hosts, name, "requests for the host", "ALLOWED_HOSTS")

    def origin(self, name: str) -> None:
        """Log the refusal of an origin's pages."""
        self._log(self._origins, name, "pages of the origin", "CORS_ORIGINS")

    @staticmethod
    def _log(known: set[str], name: str, kind: str, setting: str) -> None:
        name = name[:_MAX_REFUSED_CHARS]
        if name in known or len(known) >= MAX_REFUSED_NAMES:
            return
        known.add(name)
        logger.warning("%s %r are refused; %s admits them. Logged once.", kind, name, PREFIX + setting)
        if len(known) == MAX_REFUSED_NAMES:
            logger.warning("further refused names are not logged; the limit is %d", MAX_REFUSED_NAMES)


def header(scope: HTTPScope | WebSocketScope, wanted: bytes) -> str | None:
    """Return a header of a request, or the first of several."""
    return next(iter(headers(scope, wanted)), None)


def headers(scope: HTTPScope | WebSocketScope, wanted: bytes) -> list[str]:
    """Return the values of a header, without the framework's parsing, which would keep all headers."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _with_slashes(path: bytes) -> bytes:
    """Decode the encoded slashes of an artifact's path."""
    before = _BEFORE_A_PATH.match(path)
    if before is None:
        return path
    return before[0] + _ENCODED_SLASH.sub(b"/", path[before.end() :])


def _name(host: str) -> str:
    """Return the host in a Host header, without its port, in lower case; empty if it is malformed."""
    found = _HOST.fullmatch(host)
    return found[1].lower() if found else ""


def _is_origin_of(origin: str, host: str) -> bool:
    """Whether an origin is the service itself, judged by the host of the request."""
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
