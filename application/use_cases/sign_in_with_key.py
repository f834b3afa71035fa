"""Command: sign in a visitor of the dashboard with an API key."""

from application.errors import SignInRefused
from application.ports.clock import Clock
from application.ports.unit_of_work import UnitOfWork
from application.record_refusal import RecordRefusal, refusal_kind
from application.session_opener import Entrant, SessionOpener, SignedIn
from domain.api_key import ApiKey, KeyStatus, key_digest
from domain.audit import Act
from domain.catalogue.text import text
from domain.session import SessionToken
from domain.tenant import Tenant, TenantStatus


class SignInWithKey:
    """Signs in a visitor with the text of an API key.

    * The session has the key's scopes and project, and ends when the key does.
    * A key that is malformed, unknown, expired, revoked or of a deleted tenant is refused, always with the
      same message and after the same query. A key of a suspended tenant is accepted.
    * A refusal is recorded in the audit log.
    """

    def __init__(
        self,
        *,
        unit_of_work: UnitOfWork,
        session_opener: SessionOpener,
        record_refusal: RecordRefusal,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._session_opener = session_opener
        self._record_refusal = record_refusal
        self._clock = clock

    def __call__(self, given: str, address: str | None, before: SessionToken | None) -> SignedIn:
        """Open a session.

        Args:
            given: The text that the visitor entered.
            address: The network address of the visitor.
            before: The session token that the visitor's browser has.

        Raises:
            SignInRefused: The key is not valid.
            DependencyUnavailable: The database is unavailable.
        """
        digest = key_digest(given.strip())
        found = self._unit_of_work.read(lambda transaction: transaction.keys.find(digest))
        if found is None or not self._opens(*found):
            error = SignInRefused(text("problems.sign_in_key"))
            self._record_refusal(Act.SESSION_SIGN_IN, None, address, "key", refusal_kind(error))
            raise error
        key, tenant = found
        entrant = Entrant(
            tenant=tenant,
            principal=f"key:{key.id}",
            name=key.name,
            scopes=key.scopes,
            project=key.project,
            key_id=key.id,
            ends_at=key.expires_at,
        )
        return self._session_opener.open(entrant, address, before)

    def _opens(self, key: ApiKey, tenant: Tenant) -> bool:
        is_active = key.status(self._clock.now()) is KeyStatus.ACTIVE
        return is_active and tenant.status is not TenantStatus.DELETED
