"""Authentication of the dashboard's visitors by session token."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from application.errors import NotAuthenticated
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.timed_cache import Kept, LookupCache
from domain.api_key import ApiKey, KeyStatus
from domain.caller import Caller
from domain.session import Session, SessionStatus
from domain.tenant import Tenant, TenantStatus

# A session ends everywhere within five seconds, as a revoked key does.
KEPT_S = 2.0
_CAPACITY = 5_000
_SEEN_IS_RECORDED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session, its tenants and its key, as stored.

    Attributes:
        home: The tenant of its principal.
        shown: The tenant that the dashboard shows.
        key: The key used to sign in; None for a user of an identity provider.
    """

    session: Session
    home: Tenant
    shown: Tenant
    key: ApiKey | None

    def is_open(self, now: datetime, idle: timedelta) -> bool:
        """Whether a request with the session is accepted."""
        if self.session.status(now, idle) is not SessionStatus.OPEN:
            return False
        if self.session.key_id is not None and (
            self.key is None or self.key.status(now) is not KeyStatus.ACTIVE
        ):
            return False
        return self.home.status is not TenantStatus.DELETED


class SessionAuthenticator:
    """Finds the caller of a session.

    * A session is looked up by the digest of its token.
    * It ends when its visitor signs out or is idle for some time, at its expiry, and with its key or its
      tenant. The session of a suspended tenant stays open.
    * Its caller has the expiry and the rate limit of its key.
    * A stored session is read again after some seconds.
    * A page that refreshes itself does not count as activity of its visitor.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        clock: Clock,
        idle: timedelta,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._idle = idle
        self._sessions = LookupCache[str, StoredSession](KEPT_S, _CAPACITY, clock.monotonic)

    def cached(self, digest: str) -> Kept[StoredSession | None] | None:
        """Return the result of a lookup in the last seconds, or None if there was none."""
        return self._sessions.fresh(digest)

    def look_up(self, digest: str) -> StoredSession | None:
        """Read a session from the database; return None if it does not exist.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        at = self._clock.monotonic()
        stored = self._unit_of_work.read(lambda transaction: _find(transaction, digest))
        self._sessions.keep(digest, stored, at)
        return stored

    def admit(self, stored: StoredSession | None, address: str | None) -> Caller:
        """Return the caller of a session.

        Raises:
            NotAuthenticated: The session is not in the database or has ended.
        """
        if stored is None or not stored.is_open(self._clock.now(), self._idle):
            raise NotAuthenticated
        caller = stored.session.caller(stored.shown, address)
        key = stored.key
        if key is None:
            return caller
        return replace(caller, expires_at=key.expires_at, requests_per_s=key.requests_per_s)

    def is_to_touch(self, stored: StoredSession) -> bool:
        """Whether activity of the visitor should be recorded."""
        return self._clock.now() - stored.session.seen_at >= _SEEN_IS_RECORDED_EVERY

    def touch(self, stored: StoredSession) -> StoredSession:
        """Record activity of the visitor.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        now = self._clock.now()
        at = self._clock.monotonic()
        self._unit_of_work.run(lambda transaction: transaction.sessions.touch(stored.session.id, now))
        touched = replace(stored, session=replace(stored.session, seen_at=now))
        self._sessions.keep(stored.session.digest, touched, at)
        return touched

    def forget(self, digest: str) -> None:
        """Discard a cached session after a change, so that the next request here reads it again."""
        self._sessions.discard(digest)


def _find(transaction: Transaction, digest: str) -> StoredSession | None:
    session = transaction.sessions.find(digest)
    home = None if session is None else transaction.tenants.get(session.home)
    if session is None or home is None:
        return None
    key = None
    if session.key_id is not None:
        key = transaction.keys.get(session.caller(home, None), session.key_id)
    shown = home if session.tenant == session.home else transaction.tenants.get(session.tenant)
    if shown is None or shown.status is TenantStatus.DELETED:
        shown = home
    return StoredSession(session, home, shown, key)
