"""Command: end sessions of the dashboard."""

from application.caller_unit_of_work import CallerUnitOfWork
from application.errors import NotFound
from application.ports.clock import Clock
from application.ports.unit_of_work import Transaction
from application.session_authenticator import SessionAuthenticator, StoredSession
from domain.audit import Act
from domain.caller import Caller, Scope
from domain.session import SessionId


class SignOut:
    """Ends sessions.

    * A visitor can end its own session, or all sessions of its principal.
    * A visitor with the scope `keys:write` can end any session of its tenant's principals; if it is
      restricted to a project, only sessions of that project. Only a visitor with ADMIN can end sessions with
      ADMIN.
    * The session ends at once in this process, and within some seconds in all others.
    """

    def __init__(
        self,
        *,
        unit_of_work: CallerUnitOfWork,
        session_authenticator: SessionAuthenticator,
        clock: Clock,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._session_authenticator = session_authenticator
        self._clock = clock

    def __call__(self, stored: StoredSession, address: str | None) -> None:
        """End a visitor's own session."""
        session, now = stored.session, self._clock.now()
        self._unit_of_work.run(
            session.caller(stored.home, address),
            Act.SESSION_SIGN_OUT,
            lambda transaction: transaction.sessions.end(session.id, now),
            subject=lambda _result: str(session.id),
        )
        self._session_authenticator.forget(session.digest)

    def everywhere(self, stored: StoredSession, address: str | None) -> int:
        """End all sessions of a visitor's principal; return how many there were."""
        session, now = stored.session, self._clock.now()
        ended = self._unit_of_work.run(
            session.caller(stored.home, address),
            Act.SESSION_SIGN_OUT,
            lambda transaction: transaction.sessions.end_all(session.home, session.principal, now),
            subject=lambda _result: session.principal,
        )
        self._session_authenticator.forget(session.digest)
        return ended

    def of_member(self, caller: Caller, session_id: SessionId) -> None:
        """End a session that the caller can access.

        Raises:
            ScopeMissing: The session belongs to another principal, and the caller lacks the scope to end it.
            NotFound: There is no such session, or the caller cannot access it.
        """
        now = self._clock.now()

        def work(transaction: Transaction) -> str:
            session = transaction.sessions.get(caller, session_id)
            if session is None:
                raise NotFound("session", session_id)
            if session.principal != caller.principal:
                caller.require(Scope.ADMIN if Scope.ADMIN in session.scopes else Scope.KEYS_WRITE)
            transaction.sessions.end(session.id, now)
            return session.digest

        digest = self._unit_of_work.run(
            caller,
            Act.SESSION_SIGN_OUT,
            work,
            subject=lambda _digest: str(session_id),
            asked_for=str(session_id),
        )
        self._session_authenticator.forget(digest)
