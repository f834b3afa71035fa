"""Which requests are let in: those that a page of another site may have made are not."""

from urllib.parse import urlsplit

from litestar.config.cors import CORSConfig
from litestar.types import HTTPScope

# Load balancers ask by address, and what is answered is no secret.
_OPEN_TO_ANY_HOST = "/health/"
# Pages of the dashboard bring a token with every form, which proves more (see csrf).
_OWN_PROOF = "/dashboard/"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})


class HostRefused(Exception):
    """The request is for a host that this service is not known by."""

    def __init__(self) -> None:
        super().__init__(
            "this service is not known by the host that is asked for; SERVICE_SERVER_ALLOWED_HOSTS names more"
        )


class CrossSiteRequest(Exception):
    """A page of another site made a request that would change something."""

    def __init__(self) -> None:
        super().__init__("pages of other sites may not do this; SERVICE_SERVER_CORS_ORIGINS allows origins")


class Admission:
    """Refuses what browsers can be made to send in their users' name.

    A name of an attacker's can resolve to this machine (DNS rebinding), so only known hosts are answered to.
    And any page can post without asking leave, so what changes something is taken from known origins only
    (W3C, "Fetch Metadata Request Headers"). What is no browser sends neither Sec-Fetch-Site nor Origin.

    Args:
        hosts: The names of this service, in lower case; None for any.
        cors: Which origins may call.
    """

    def __init__(self, hosts: frozenset[str] | None, cors: CORSConfig) -> None:
        self._hosts = hosts
        self._cors = cors

    def refusal(self, scope: HTTPScope) -> HostRefused | CrossSiteRequest | None:
        """Return why a request is not let in, if it is not."""
        host = header(scope, b"host") or ""
        is_known = self._hosts is None or _name(host) in self._hosts
        if not is_known and not scope["path"].startswith(_OPEN_TO_ANY_HOST):
            return HostRefused()
        if scope["method"] not in _SAFE_METHODS and self._is_cross_site(scope, host):
            return CrossSiteRequest()
        return None

    def _is_cross_site(self, scope: HTTPScope, host: str) -> bool:
        site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
        if scope["path"].startswith(_OWN_PROOF) or (origin and self._cors.is_origin_allowed(origin)):
            return False
        if site is not None:
            return site not in _OWN_SITES
        return origin is not None and not _is_origin_of(origin, host)


def header(scope: HTTPScope, wanted: bytes) -> str | None:
    """Return a header of a request, read here and not by the framework, which would remember them all."""
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), None)


def _name(host: str) -> str:
    """Return a Host header's host without its port, in lower case (RFC 3986, 3.2.2)."""
    name, bracket, _port = host.lower().partition("]")
    return name + bracket if bracket else name.partition(":")[0]


def _is_origin_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False
