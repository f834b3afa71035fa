"""Authentication of callers by API key."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from application.errors import DependencyUnavailable, NotAuthenticated
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from application.timed_cache import Kept, LookupCache, TimedCache
from domain.api_key import ApiKey, KeyId, KeyStatus
from domain.caller import Caller
from domain.tenant import DEFAULT_TENANT, Tenant, TenantStatus

# A revoked key is refused everywhere within five seconds: for new requests after this time, for open streams
# after this time plus their check interval.
KEPT_S = 2.0
_CAPACITY = 20_000
_USE_IS_RECORDED_EVERY = timedelta(minutes=5)
# The tenant of callers without keys if the database was never reachable.
_UNREAD_DEFAULT = Tenant(
    name=DEFAULT_TENANT, status=TenantStatus.ACTIVE, created_at=datetime.min.replace(tzinfo=UTC)
)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key and its tenant, as stored."""

    key: ApiKey
    tenant: Tenant

    def opens(self, now: datetime) -> bool:
        """Whether a request with the key is accepted."""
        is_active = self.key.status(now) is KeyStatus.ACTIVE
        return is_active and self.tenant.status is not TenantStatus.DELETED

    def caller(self, address: str | None) -> Caller:
        """Return the caller of a request with the key, whether accepted or not."""
        return Caller(
            tenant=self.tenant,
            principal=f"key:{self.key.id}",
            scopes=self.key.scopes,
            project=self.key.project,
            expires_at=self.key.expires_at,
            requests_per_s=self.key.requests_per_s,
            address=address,
        )


class Authenticator:
    """Finds the caller of a key, and records the use of keys.

    * A key is looked up by the digest of its text. Every text is looked up in the same way, so that the
      response has the same time and message whether the key is malformed, unknown, expired or revoked.
    * The keys of a deleted tenant are refused; the keys of a suspended one are not.
    * A stored key is read again after some seconds. While the database is unavailable, a known key stays
      valid for the rest of that time.
    * If no keys are required, every caller belongs to the default tenant, as last read.
    * The time of a key's last use is recorded every few minutes, outside the request.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        clock: Clock,
        capacity: int = _CAPACITY,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._keys = LookupCache[str, StoredKey](KEPT_S, capacity, clock.monotonic)
        self._default = TimedCache[None, Tenant](KEPT_S, 1, clock.monotonic)
        self._used: set[KeyId] = set()
        self._lock = Lock()

    def cached(self, digest: str) -> Kept[StoredKey | None] | None:
        """Return the result of a lookup in the last seconds, or None if there was none."""
        return self._keys.fresh(digest)

    def look_up(self, digest: str) -> StoredKey | None:
        """Read a key from the database; return None if it does not exist.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        at = self._clock.monotonic()
        found = self._unit_of_work.read(lambda transaction: transaction.keys.find(digest))
        stored = None if found is None else StoredKey(*found)
        self._keys.keep(digest, stored, at)
        return stored

    def was_good(self, digest: str) -> bool:
        """Whether the key was valid when it was last looked up, however long ago."""
        latest = self._keys.latest(digest)
        return latest is not None and latest.opens(self._clock.now())

    def admit(self, stored: StoredKey | None, address: str | None) -> Caller:
        """Return the caller of a key.

        Raises:
            NotAuthenticated: The key is not in the database, is expired or revoked, or its tenant is deleted.
        """
        now = self._clock.now()
        if stored is None or not stored.opens(now):
            raise NotAuthenticated
        key = stored.key
        if key.last_used_at is None or now - key.last_used_at >= _USE_IS_RECORDED_EVERY:
            self._used.add(key.id)
        return stored.caller(address)

    def cached_default(self) -> Tenant | None:
        """Return the default tenant if it was read in the last seconds, else None."""
        kept = self._default.fresh(None)
        return None if kept is None else kept.value

    def latest_default(self) -> Tenant:
        """Return the default tenant as last read, however long ago; an active one if it was never read."""
        kept = self._default.latest(None)
        return _UNREAD_DEFAULT if kept is None else kept.value

    def read_default(self) -> Tenant:
        """Read the default tenant; while the database is unavailable, return it as last read."""
        at = self._clock.monotonic()
        try:
            tenant = self._unit_of_work.read(lambda transaction: transaction.tenants.get(DEFAULT_TENANT))
        except DependencyUnavailable:
            tenant = None
        self._default.keep(None, tenant or self.latest_default(), at)
        return self.latest_default()

    def record_use(self) -> None:
        """Store the time of last use of the keys that were used since the last call.

        Raises:
            DependencyUnavailable: The database is unavailable; the times are stored by the next call.
        """
        with self._lock:
            used, self._used = self._used, set()
        if not used:
            return
        now = self._clock.now()
        try:
            self._unit_of_work.run(lambda transaction: transaction.keys.touch(used, now))
        except DependencyUnavailable:
            with self._lock:
                self._used |= used
            raise
