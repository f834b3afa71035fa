"""The signed-in visitors of the dashboard: from the cookie of a request to its caller."""

import asyncio
import logging
from functools import partial

from application.errors import DependencyUnavailable, NotAuthenticated
from application.log_context import outage_of
from application.session_authenticator import SessionAuthenticator, StoredSession
from domain.caller import Caller
from domain.session import SessionToken
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.origin_guard import header
from entrypoints.http.request_context import caller_address, reauthenticate
from entrypoints.http.session_cookie import AnyScope, SessionCookies

logger = logging.getLogger("service_server.http")

_READS = frozenset({"GET", "HEAD"})


class Visitors:
    """Finds the sessions of requests, and records the activity of their visitors."""

    def __init__(self, authenticator: SessionAuthenticator, cookies: SessionCookies) -> None:
        self._authenticator = authenticator
        self._cookies = cookies

    async def of(self, scope: AnyScope, *, anew: bool = False) -> Caller | None:
        """Return the caller of a request with a session cookie, or None if it has none.

        Args:
            scope: The request.
            anew: Whether to look the caller up in the database, even if it is cached.

        Raises:
            NotAuthenticated: The session has ended.
            DependencyUnavailable: The session is not cached, and the database is unavailable.
        """
        token = self._cookies.token_of_own_page(scope)
        if token is None:
            return None
        address = caller_address.get() or None
        if anew:
            self._authenticator.forget(token.digest)
        caller = await self._admitted(token.digest, address)
        stored = await self._stored(token.digest)
        if stored is not None:
            scope["user"] = await self._touched(scope, stored)
        reauthenticate.set(partial(self._admitted, token.digest, address))
        return caller

    async def session_of(self, scope: AnyScope) -> StoredSession | None:
        """Return the open session of a request to a page that needs no caller, or None.

        Raises:
            DependencyUnavailable: The session is not cached, and the database is unavailable.
        """
        try:
            await self.of(scope)
        except NotAuthenticated:
            return None
        stored: StoredSession | None = scope.get("user")
        return stored

    async def _admitted(self, digest: str, address: str | None) -> Caller:
        return self._authenticator.admit(await self._stored(digest), address)

    async def _stored(self, digest: str) -> StoredSession | None:
        kept = self._authenticator.cached(digest)
        if kept is not None:
            return kept.value
        return await asyncio.to_thread(self._authenticator.look_up, digest)

    async def _touched(self, scope: AnyScope, stored: StoredSession) -> StoredSession:
        """Record the visitor's activity, at intervals."""
        if not _is_act(scope) or not self._authenticator.is_to_touch(stored):
            return stored
        try:
            return await asyncio.to_thread(self._authenticator.touch, stored)
        except DependencyUnavailable as error:
            logger.warning("activity of a visitor not recorded: %s", error, extra=outage_of(error))
            return stored


def stored_session(request: AnyRequest) -> StoredSession | None:
    """Return the session that authenticated a request; None if something else did."""
    stored: StoredSession | None = request.scope.get("user")
    return stored


def form_token(request: AnyRequest, cookies: SessionCookies) -> str | None:
    """Return the token for forms of the request's session; None if the request has no session."""
    token: SessionToken | None = cookies.token(request.scope) if stored_session(request) else None
    return None if token is None else token.form_token


def _is_act(scope: AnyScope) -> bool:
    """Whether a visitor made the request, and not a page that refreshes itself."""
    if scope.get("method") not in _READS:
        return True
    is_for_people = "text/html" in (header(scope, b"accept") or "")
    return is_for_people and b"seen=" not in scope["query_string"]
