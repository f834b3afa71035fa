"""Reads of sessions: the members of a tenant, and the tenants that an administrator may view."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from application.ports.clock import Clock
from application.ports.session_repository import Member
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.session_authenticator import StoredSession
from domain.caller import Caller
from domain.session import Session, SessionStatus
from domain.tenant import Tenant, TenantStatus

MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session and its status now."""

    session: Session
    status: SessionStatus


@dataclass(frozen=True, slots=True)
class Members:
    """The principals of a tenant that have signed in, and their latest sessions."""

    members: Sequence[Member]
    sessions: Sequence[SessionView]


class SessionReader:
    """Reads sessions."""

    def __init__(self, unit_of_work: UnitOfWork, clock: Clock, idle: timedelta) -> None:
        self._unit_of_work = unit_of_work
        self._clock = clock
        self._idle = idle

    def members(self, caller: Caller) -> Members:
        """Return the members of the caller's tenant, most recently seen first."""

        def work(transaction: Transaction) -> tuple[Sequence[Member], Sequence[Session]]:
            sessions = transaction.sessions
            return sessions.members(caller, MAX_SHOWN), sessions.latest(caller, MAX_SHOWN)

        members, latest = self._unit_of_work.read(work)
        now = self._clock.now()
        return Members(members, [SessionView(session, session.status(now, self._idle)) for session in latest])

    def tenants(self, stored: StoredSession) -> Sequence[Tenant]:
        """Return the tenants that a session may show: its own, or all that are not deleted."""
        if not stored.session.switches_tenants:
            return [stored.home]
        tenants = self._unit_of_work.read(lambda transaction: transaction.tenants.all())
        return [tenant for tenant in tenants if tenant.status is not TenantStatus.DELETED]
