from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby

from application.ports.session_repository import Member, SessionRepository
from domain.caller import Caller
from domain.session import Session, SessionId
from domain.tenant import TenantName
from tests.support.memory.database import Tables


class MemorySessionRepository(SessionRepository):
    """The sessions in a transaction's tables."""

    def __init__(self, tables: Tables) -> None:
        self._sessions = tables.sessions

    def add(self, session: Session) -> bool:
        """Store a session, unless its sign-in has already created one."""
        made = {stored.sign_in for stored in self._sessions.values()} - {None}
        if session.sign_in in made:
            return False
        self._sessions[session.id] = session
        return True

    def find(self, digest: str) -> Session | None:
        """Return the session whose secret has a digest."""
        return next((session for session in self._sessions.values() if session.digest == digest), None)

    def get(self, caller: Caller, session_id: SessionId) -> Session | None:
        """Return a session that the caller reaches."""
        found = self._sessions.get(session_id)
        return found if found is not None and _is_reached(caller, found) else None

    def latest(self, caller: Caller, limit: int) -> Sequence[Session]:
        """Return the sessions that the caller reaches, most recently used first."""
        own = [session for session in self._sessions.values() if _is_reached(caller, session)]
        return sorted(own, key=lambda session: (session.seen_at, str(session.id)), reverse=True)[:limit]

    def members(self, caller: Caller, limit: int) -> Sequence[Member]:
        """Return the principals of the sessions that the caller reaches."""
        own = sorted(self.latest(caller, len(self._sessions)), key=lambda session: session.principal)
        members = [
            _member(principal, list(sessions))
            for principal, sessions in groupby(own, key=lambda session: session.principal)
        ]
        return sorted(members, key=lambda member: member.last_seen_at, reverse=True)[:limit]

    def touch(self, session_id: SessionId, seen_at: datetime) -> None:
        """Store the time of a visitor's last activity."""
        self._sessions[session_id] = replace(self._sessions[session_id], seen_at=seen_at)

    def switch(self, session_id: SessionId, tenant: TenantName) -> None:
        """Store the tenant that a session shows."""
        self._sessions[session_id] = replace(self._sessions[session_id], tenant=tenant)

    def end(self, session_id: SessionId, now: datetime) -> None:
        """End a session."""
        if self._sessions[session_id].ended_at is None:
            self._sessions[session_id] = replace(self._sessions[session_id], ended_at=now)

    def end_all(self, home: TenantName, principal: str, now: datetime) -> int:
        """End all sessions of a principal."""
        to_end = [
            session.id
            for session in self._sessions.values()
            if (session.home, session.principal, session.ended_at) == (home, principal, None)
        ]
        for session_id in to_end:
            self.end(session_id, now)
        return len(to_end)

    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove sessions that expired before a time."""
        old = [session.id for session in self._sessions.values() if session.expires_at < before][:limit]
        for session_id in old:
            del self._sessions[session_id]
        return len(old)


def _member(principal: str, sessions: Sequence[Session]) -> Member:
    return Member(
        principal=principal,
        name=max(session.name for session in sessions),
        sessions=len(sessions),
        first_seen_at=min(session.created_at for session in sessions),
        last_seen_at=max(session.seen_at for session in sessions),
    )


def _is_reached(caller: Caller, session: Session) -> bool:
    return session.home == caller.tenant.name and caller.project in {None, session.project}
