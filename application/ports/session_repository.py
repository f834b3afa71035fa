"""The port to stored sessions of the dashboard."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.caller import Caller
from domain.session import Session, SessionId
from domain.tenant import TenantName


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A principal that has signed in.

    Attributes:
        sessions: How many of its sessions are stored.
        first_seen_at: When the first of them was opened.
    """

    principal: str
    name: str
    sessions: int
    first_seen_at: datetime
    last_seen_at: datetime


class SessionRepository(ABC):
    """The sessions, as the transaction sees them.

    A caller can access the sessions of its tenant's principals; if it is restricted to a project, only
    sessions of that project.
    """

    @abstractmethod
    def add(self, session: Session) -> bool:
        """Store a session; if its sign-in has already opened one, store nothing and return False."""

    @abstractmethod
    def find(self, digest: str) -> Session | None:
        """Return the session whose token has a digest, in any status."""

    @abstractmethod
    def get(self, caller: Caller, session_id: SessionId) -> Session | None:
        """Return a session that the caller can access, in any status."""

    @abstractmethod
    def latest(self, caller: Caller, limit: int) -> Sequence[Session]:
        """Return the sessions that the caller can access, in any status, most recently seen first."""

    @abstractmethod
    def members(self, caller: Caller, limit: int) -> Sequence[Member]:
        """Return the principals of the sessions that the caller can access, most recently seen first."""

    @abstractmethod
    def touch(self, session_id: SessionId, seen_at: datetime) -> None:
        """Record the time of a visitor's last activity."""

    @abstractmethod
    def switch(self, session_id: SessionId, tenant: TenantName) -> None:
        """Store the tenant that a session shows."""

    @abstractmethod
    def end(self, session_id: SessionId, now: datetime) -> None:
        """End a session, if it has not ended."""

    @abstractmethod
    def end_all(self, home: TenantName, principal: str, now: datetime) -> int:
        """End every session of a principal; return how many had not ended."""

    @abstractmethod
    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove sessions that expired before a time; return how many."""
