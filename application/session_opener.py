"""The opening of a session, for every way of signing in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import SignInRefused
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction
from domain.api_key import KeyId
from domain.audit import Act
from domain.caller import Scope
from domain.catalogue.text import text
from domain.session import SESSION_NAME_MAX_CHARS, Session, SessionId, SessionToken
from domain.tenant import Tenant
from domain.values import ProjectId


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A visitor whose identity is verified.

    Attributes:
        name: Its display name.
        ends_at: The latest end of its session, if that is earlier than the general maximum.
        sign_in: The digest of its sign-in at an identity provider.
    """

    tenant: Tenant
    principal: str
    name: str
    scopes: frozenset[Scope]
    project: ProjectId | None = None
    key_id: KeyId | None = None
    sign_in: str | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session and its token, which is shown to the visitor only once."""

    session: Session
    token: SessionToken


class SessionOpener:
    """Opens sessions, each with an audit entry.

    * A sign-in opens a new session with a new token, and ends the session that the browser had, so that a
      token planted in the browser is useless.
    * A sign-in at an identity provider opens at most one session, however often the provider's answer is
      received.

    Args:
        max_age: The maximum duration of a session.
    """

    def __init__(
        self, *, unit_of_work: CallerUnitOfWork, clock: Clock, ids: IdGenerator, max_age: timedelta
    ) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._ids = ids
        self._max_age = max_age

    def open(self, entrant: Entrant, address: str | None, before: SessionToken | None) -> SignedIn:
        """Open a session.

        Args:
            entrant: The visitor.
            address: The network address of the visitor.
            before: The session token that the visitor's browser has.

        Raises:
            SignInRefused: The sign-in has already opened a session.
            DependencyUnavailable: The database is unavailable.
        """
        token, now = SessionToken.generate(), self._clock.now()
        end = now + self._max_age
        session = Session(
            id=SessionId(self._ids.new()),
            digest=token.digest,
            home=entrant.tenant.name,
            tenant=entrant.tenant.name,
            principal=entrant.principal,
            name=entrant.name[:SESSION_NAME_MAX_CHARS],
            scopes=entrant.scopes,
            project=entrant.project,
            key_id=entrant.key_id,
            sign_in=entrant.sign_in,
            address=address,
            created_at=now,
            seen_at=now,
            expires_at=end if entrant.ends_at is None else min(end, entrant.ends_at),
        )

        def work(transaction: Transaction) -> None:
            if not transaction.sessions.add(session):
                raise SignInRefused(text("problems.sign_in_used"))
            left = None if before is None else transaction.sessions.find(before.digest)
            if left is not None:
                transaction.sessions.end(left.id, now)

        self._unit_of_work.run(
            session.caller(entrant.tenant, address),
            Act.SESSION_SIGN_IN,
            work,
            subject=lambda _result: str(session.id),
            asked_for=str(session.id),
        )
        return SignedIn(session, token)
