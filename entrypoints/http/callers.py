"""The caller of a request: authenticated, and checked for its route's scope, before the body is read."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as AnyScope

from application.authenticator import Authenticator, StoredKey
from application.errors import NotAuthenticated
from application.log_context import tenant
from application.record_refusal import RecordRefusal, refusal_kind
from domain.api_key import key_digest
from domain.audit import Act
from domain.caller import ANONYMOUS, Caller, Scope, anonymous
from domain.errors import ScopeMissing
from domain.tenant import Tenant
from entrypoints.http.failed_attempts import FailedAttempts
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.origin_guard import headers
from entrypoints.http.request_context import caller_address, caller_network, reauthenticate
from entrypoints.http.visitors import Visitors

AnyConnection: TypeAlias = ASGIConnection[Any, Any, Any, Any]
T = TypeVar("T")

# The key of a route's `opt` that names the scope it requires; None if the route needs no caller. A route
# without the key answers no request.
SCOPE = "scope"
TOKEN_HEADER = "X-Auth-Token"  # noqa: S105 - the name of a header
# The ways to send a key, as the OpenAPI document describes them.
SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `ssk_...`."},
        "authToken": {
            "type": "apiKey",
            "in": "header",
            "name": TOKEN_HEADER,
            "description": "An API key, for clients that cannot send it as a bearer's.",
        },
    }
)
_TOKEN_HEADER = TOKEN_HEADER.lower().encode()
_BEARER = "bearer"
# Routes with these scopes create things, such as keys, that outlast the caller's key, so a revoked key
# must be refused at once.
_LASTING = frozenset({Scope.PROJECTS_WRITE, Scope.KEYS_WRITE, Scope.ADMIN})
_WITHOUT_A_KEY = "callers without an API key do not have it; set SERVICE_SERVER_AUTH=keys to require keys"
# Where callers need no key, a database that does not respond delays a request at most this long.
_DEFAULT_TENANT_WAIT_S = 0.25


class Callers:
    """Finds the callers of requests.

    Lookups of the last seconds are cached, and concurrent lookups of the same key share one query. An address
    that sent too many bad keys is refused every key that is not known to be good. Bad keys and missing scopes
    are recorded in the audit log, after the response.

    Args:
        asks_for_keys: Whether a caller needs a key; otherwise every caller belongs to the default tenant.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        failed_attempts: FailedAttempts,
        visitors: Visitors,
        record_refusal: RecordRefusal,
        *,
        asks_for_keys: bool,
    ) -> None:
        self._authenticator = authenticator
        self._visitors = visitors
        self._failed_attempts = failed_attempts
        self._asks_for_keys = asks_for_keys
        self._record_refusal = record_refusal
        self._lookups: dict[str | None, asyncio.Task[Any]] = {}
        self._records: set[asyncio.Task[None]] = set()

    async def of(self, scope: AnyScope, *, anew: bool = False) -> Caller:
        """Return the caller of a request.

        Args:
            scope: The request.
            anew: Whether to look the caller up in the database, even if it is cached.

        Raises:
            NotAuthenticated: The request has no key, two different keys, or a bad one.
            QuotaExceeded: Its address sent too many bad keys.
            DependencyUnavailable: The key is not cached, and the database is unavailable.
        """
        if not self._asks_for_keys:
            return anonymous(await self._default_tenant(), caller_address.get() or None)
        if not _keys(scope):
            visitor = await self._visitors.of(scope, anew=anew)
            if visitor is not None:
                return visitor
        digest = key_digest(key_text(scope))
        try:
            return await self.of_key(digest, anew=anew)
        except NotAuthenticated as error:
            self._refused(scope, self._owner(digest), error)
            raise

    def require(self, scope: AnyScope, caller: Caller, needed: Scope) -> None:
        """Check that the caller of a request has the scope of its route, and record a refusal.

        Raises:
            ScopeMissing: The caller does not have the scope.
        """
        try:
            caller.require(needed)
        except ScopeMissing as error:
            self._refused(scope, caller, error)
            if caller.principal == ANONYMOUS:
                raise ScopeMissing(needed, _WITHOUT_A_KEY) from None
            raise

    async def of_key(self, digest: str, *, anew: bool = False) -> Caller:
        """Return the caller with a key, by the key's digest; streams of this request check the key again.

        Raises:
            NotAuthenticated: The key is bad.
            QuotaExceeded: The address sent too many bad keys.
            DependencyUnavailable: The key is not cached, and the database is unavailable.
        """
        if not self._authenticator.was_good(digest):
            self._failed_attempts.check(caller_network())
        reauthenticate.set(partial(self._admitted, digest))
        try:
            return await self._admitted(digest, caller_address.get() or None, anew=anew)
        except NotAuthenticated:
            self._failed_attempts.count(caller_network())
            raise

    def _owner(self, digest: str) -> Caller | None:
        """Return the owner of a refused key, if the key is known here, and so expired or revoked."""
        kept = self._authenticator.cached(digest)
        stored = None if kept is None else kept.value
        return None if stored is None else stored.caller(caller_address.get() or None)

    def _refused(self, scope: AnyScope, caller: Caller | None, error: Exception) -> None:
        """Record a refusal on a thread, so that the response does not wait for the database."""
        subject = f"{scope.get('method')} {scope['path']}"
        record = partial(
            self._record_refusal,
            Act.ACCESS_REFUSE,
            caller,
            caller_address.get() or None,
            subject,
            refusal_kind(error),
        )
        task = asyncio.create_task(asyncio.to_thread(record))
        self._records.add(task)
        task.add_done_callback(self._records.discard)

    async def _admitted(self, digest: str, address: str | None = None, *, anew: bool = False) -> Caller:
        return self._authenticator.admit(await self._stored(digest, anew=anew), address)

    async def _stored(self, digest: str, *, anew: bool) -> StoredKey | None:
        kept = self._authenticator.cached(digest)
        if kept is not None and not (anew and kept.value):
            return kept.value
        return await self._once(digest, partial(self._authenticator.look_up, digest))

    async def _default_tenant(self) -> Tenant:
        cached = self._authenticator.cached_default()
        if cached is not None:
            return cached
        try:
            async with asyncio.timeout(_DEFAULT_TENANT_WAIT_S):
                return await self._once(None, self._authenticator.read_default)
        except TimeoutError:
            return self._authenticator.latest_default()

    async def _once(self, name: str | None, read: Callable[[], T]) -> T:
        """Read on a thread, or wait for a read of the same name that is in progress."""
        lookup = self._lookups.get(name)
        if lookup is None:
            lookup = self._lookups[name] = asyncio.create_task(asyncio.to_thread(read))
            lookup.add_done_callback(partial(self._forget, name))
        result: T = await asyncio.shield(lookup)
        return result

    def _forget(self, name: str | None, lookup: asyncio.Task[Any]) -> None:
        del self._lookups[name]
        if not lookup.cancelled():
            lookup.exception()  # marks the error as retrieved, because all waiting requests may have left


class CallerMiddleware:
    """Gives each request its caller, if its route needs one, before the body is read.

    This is a middleware, because the framework copies a route's handler for each call of a guard.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: AnyScope, receive: Receive, send: Send) -> None:
        """Authenticate and authorize a request, then pass it on.

        Raises:
            KeyError: The route declares no scope.
            NotAuthenticated: The route needs a caller, and the request has no good key.
            QuotaExceeded: The caller makes too many requests per second.
            ScopeMissing: The caller does not have the route's scope.
        """
        if scope.get("method") != HttpMethod.OPTIONS:  # OPTIONS only lists the methods
            needed = scope["route_handler"].opt[SCOPE]
            if needed is not None:
                state = scope["litestar_app"].state
                caller = await state.callers.of(scope, anew=needed in _LASTING)
                await state.request_rates.admit(caller)
                state.callers.require(scope, caller, needed)
                scope["auth"] = caller
                tenant.set(caller.tenant.name)
        await self._app(scope, receive, send)


def caller_of_request(request: AnyRequest) -> Caller:
    """Return the caller of a request to a route that needs one."""
    caller: Caller = request.auth
    return caller


def key_text(scope: AnyScope) -> str:
    """Return the text of the key in a request, well-formed or not.

    Raises:
        NotAuthenticated: The request has no key, or different ones.
    """
    texts = _keys(scope)
    if len(texts) != 1:
        raise NotAuthenticated
    return texts.pop()


def _keys(scope: AnyScope) -> set[str]:
    texts = set(headers(scope, _TOKEN_HEADER))
    for value in headers(scope, b"authorization"):
        scheme, _, text = value.partition(" ")
        if scheme.lower() == _BEARER:
            texts.add(text.strip())
    return texts
