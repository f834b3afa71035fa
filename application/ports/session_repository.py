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
        sessions: How many sessions of it are stored.
        first_seen_at: When the first of them was opened.
    """

    principal: str
    name: str
    sessions: int
    first_seen_at: datetime
    last_seen_at: datetime


class SessionRepository(ABC):
    """The sessions, as the transaction sees them.

    A caller reaches the sessions of the principals of its tenant; one of a project, those of that project.
    """

    @abstractmethod
    def add(self, session: Session) -> bool:
        """Store a session; return False, and store nothing, if its sign-in has made one before."""

    @abstractmethod
    def find(self, digest: str) -> Session | None:
        """Return the session with the secret of that digest, in any status."""

    @abstractmethod
    def get(self, caller: Caller, session_id: SessionId) -> Session | None:
        """Return a session that the caller reaches, in any status."""

    @abstractmethod
    def latest(self, caller: Caller, limit: int) -> Sequence[Session]:
        """Return the sessions that the caller reaches in any status, the one that was seen last first."""

    @abstractmethod
    def members(self, caller: Caller, limit: int) -> Sequence[Member]:
        """Return the principals of the sessions that the caller reaches, the one seen last first."""

    @abstractmethod
    def touch(self, session_id: SessionId, seen_at: datetime) -> None:
        """Store when the visitor of a session did something last."""

    @abstractmethod
    def switch(self, session_id: SessionId, tenant: TenantName) -> None:
        """Store the tenant whose things a session shows."""

    @abstractmethod
    def end(self, session_id: SessionId, now: datetime) -> None:
        """End a session; one that has ended stays as it is."""

    @abstractmethod
    def end_all(self, home: TenantName, principal: str, now: datetime) -> int:
        """End every session of a principal; return how many had not ended."""

    @abstractmethod
    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove sessions that expired before a time; return how many."""
