"""A session of the dashboard: a visitor who has signed in, and its life cycle.

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
    """The secret of a session (256 random bits), stored in the visitor's cookie.

    Raises:
        InvalidValue: The text is not a valid token.
    """

    value: str

    def __post_init__(self) -> None:
        if not _TOKEN.fullmatch(self.value):
            raise InvalidValue("session", text("problems.session_secret"))

    @classmethod
    def generate(cls) -> Self:
        """Generate a token from the system's random bits."""
        return cls(secrets.token_urlsafe(_TOKEN_BYTES))

    @property
    def digest(self) -> str:
        """The SHA-256 of the token in hexadecimal; nothing else of the token is stored."""
        return hashlib.sha256(self.value.encode()).hexdigest()

    @property
    def form_token(self) -> str:
        """The anti-forgery token of the session's forms. The session token cannot be derived from it."""
        return hmac.new(self.value.encode(), b"form", hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "SessionToken(...)"


class SessionStatus(StrEnum):
    """Whether a session is open."""

    OPEN = "OPEN"
    EXPIRED = "EXPIRED"
    ENDED = "ENDED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """The session of a visitor who has signed in.

    Attributes:
        home: The tenant that the principal belongs to.
        tenant: The tenant that is shown: `home`, unless an administrator has switched.
        principal: `key:<id>` or `user:<subject>`.
        name: The principal's display name: the key's name, or an email address.
        project: The only project that it can access; None for all projects of the tenant.
        key_id: The key used to sign in. The session ends with it.
        sign_in: The SHA-256 of the sign-in at an identity provider, which opens at most one session.
        seen_at: When its visitor was last active, accurate to a minute.
        expires_at: When it ends, even if its visitor is active.
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
        """Return the status at a time, given the maximum time that a visitor may be idle."""
        if self.ended_at is not None:
            return SessionStatus.ENDED
        if now >= min(self.expires_at, self.seen_at + idle):
            return SessionStatus.EXPIRED
        return SessionStatus.OPEN

    def caller(self, tenant: Tenant, address: str | None) -> Caller:
        """Return the visitor as a caller in one of its tenants."""
        return Caller(
            tenant=tenant,
            principal=self.principal,
            scopes=self.scopes,
            project=self.project,
            address=address,
        )

    @property
    def switches_tenants(self) -> bool:
        """Whether the visitor may view other tenants."""
        return Scope.ADMIN in self.scopes and self.project is None
