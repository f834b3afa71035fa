"""A session of the dashboard: a visitor who has signed in, and its life.

OPEN ──time──> EXPIRED
  └────end───> ENDED
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.api_key import KeyId
from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue
from domain.tenant import Tenant, TenantName
from domain.values import ProjectId

SessionId = NewType("SessionId", UUID)

SESSION_NAME_MAX_CHARS = 255
_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class SessionToken:
    """The secret of a session, of 256 random bits: the visitor's cookie.

    Raises:
        InvalidValue: The text is not one of a session.
    """

    value: str

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.value):
            raise InvalidValue("session", text("problems.session_secret"))

    @classmethod
    def generate(cls) -> Self:
        """Build a secret of the system's random bits."""
        return cls(secrets.token_urlsafe(_TOKEN_BYTES))

    @property
    def digest(self) -> str:
        """The SHA-256 of the secret, in hexadecimal: all that is stored of it."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    @property
    def form_token(self) -> str:
        """The token that forms of the session's pages bring. The secret cannot be derived from it."""
        return hmac.new(self.value.encode(), b"form", hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "SessionToken(...)"


class SessionStatus(StrEnum):
    """Whether a session opens the dashboard."""

    OPEN = "OPEN"
    EXPIRED = "EXPIRED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A visitor who has signed in.

    Attributes:
        home: The tenant that the principal belongs to.
        tenant: The tenant whose things are shown: `home`, unless an administrator has switched.
        principal: `key:<id>` or `user:<subject>`.
        name: The principal's name for people: that of the key, or an address of mail.
        project: The only project that it reaches; None for all of the tenant's.
        key_id: The key that it was signed in with. The session ends with it.
        sign_in: The SHA-256 of the sign-in at an identity provider, which makes one session at most.
        seen_at: When its visitor did something last, to a minute.
        expires_at: When it ends, also if its visitor is active.
    """

    id: SessionId
    digest: str
    home: TenantName
    tenant: TenantName
    principal: str
    name: str
    scopes: frozenset[Scope]
    project: ProjectId | None = None
    key_id: KeyId | None = None
    sign_in: str | None = None
    address: str | None = None
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None

    def status(self, now: datetime, idle: timedelta) -> SessionStatus:
        """Return the status at a time, by the time for which a visitor may do nothing."""
        if self.ended_at is not None:
            return SessionStatus.ENDED
        if now >= min(self.expires_at, self.seen_at + idle):
            return SessionStatus.EXPIRED
        return SessionStatus.OPEN

    def caller(self, tenant: Tenant, address: str | None) -> Caller:
        """Return the caller that the visitor is, in one of its tenants."""
        return Caller(
            tenant=tenant,
            principal=self.principal,
            scopes=self.scopes,
            project=self.project,
            address=address,
        )

    @property
    def switches_tenants(self) -> bool:
        """Whether the visitor may look at other tenants."""
        return Scope.ADMIN in self.scopes and self.project is None
