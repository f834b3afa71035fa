"""An API key: its text, which is shown once, its record, and its life cycle.

ACTIVE ──time──> EXPIRED
   └───revoke──> REVOKED <──revoke── EXPIRED
"""

import hashlib
import re
import secrets
import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType, Self
from uuid import UUID

from domain.caller import Caller, Scope
from domain.catalogue.text import text
from domain.errors import InvalidValue, KeyTransitionRefused
from domain.quota import Quota
from domain.tenant import TenantName
from domain.values import ProjectId, parse_uuid

KeyId = NewType("KeyId", UUID)

KEY_NAME_MAX_CHARS = 255
PREFIX = "ssk_"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_BYTES = 32
# The number of digits for 256 bits, and for the 32 bits of the checksum.
_SECRET_CHARS = 43
_CHECKSUM_CHARS = 6
KEY_TEXT = re.compile(rf"{PREFIX}[0-9A-Za-z]{{{_SECRET_CHARS + _CHECKSUM_CHARS}}}")


# A text that looks like a key or the beginning of one.
_KEY_LIKE = re.compile(rf"{PREFIX}[0-9A-Za-z]{{8,}}")
_MASKED = f"{PREFIX}..."


def key_digest(text: str) -> str:
    """Return the SHA-256 of a text in hexadecimal, by which keys are stored and looked up."""
    return hashlib.sha256(text.encode()).hexdigest()


def has_key(text: str) -> bool:
    """Whether a text contains a key, or most of one."""
    return _KEY_LIKE.search(text) is not None


def mask_keys(text: str) -> str:
    """Return a text with all keys masked except for their prefix."""
    return _KEY_LIKE.sub(_MASKED, text) if PREFIX in text else text


@dataclass(frozen=True, slots=True, repr=False)
class KeyText:
    """The text of a key: a prefix, 256 random bits and their CRC-32, in base 62.

    The prefix and the checksum let secret scanners recognize a key without asking the service.

    Raises:
        InvalidValue: The text is not a valid key.
    """

    value: str

    def __post_init__(self) -> None:
        secret = self.value[len(PREFIX) : -_CHECKSUM_CHARS]
        if not KEY_TEXT.fullmatch(self.value) or self.value[-_CHECKSUM_CHARS:] != _checksum(secret):
            raise InvalidValue("key", text("problems.key_text"))

    @classmethod
    def generate(cls) -> Self:
        """Generate a key from the system's random bits."""
        secret = _base62(int.from_bytes(secrets.token_bytes(_SECRET_BYTES)), _SECRET_CHARS)
        return cls(f"{PREFIX}{secret}{_checksum(secret)}")

    @property
    def digest(self) -> str:
        """The SHA-256 of the text in hexadecimal; nothing else of the text is stored."""
        return key_digest(self.value)

    def __repr__(self) -> str:
        return f"KeyText({_MASKED})"


class KeyStatus(StrEnum):
    """Whether a key is valid."""

    ACTIVE = "ACTIVE"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """The record of a key, without its text.

    Attributes:
        digest: The SHA-256 of the text, in hexadecimal.
        project: The only project that the key can access; None for all projects of the tenant.
        created_by: The principal that created it.
        requests_per_s: Its limit of requests per second; None if only its tenant's limit applies.
        last_used_at: When it was last used, accurate to some minutes.

    Raises:
        InvalidValue: The name is empty, too long or unprintable; there is no scope; a key with ADMIN has a
            project; or the limit of requests is invalid.
    """

    id: KeyId
    tenant: TenantName
    name: str
    digest: str
    scopes: frozenset[Scope]
    created_at: datetime
    created_by: str
    project: ProjectId | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    requests_per_s: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= len(self.name) <= KEY_NAME_MAX_CHARS or not self.name.isprintable():
            raise InvalidValue("name", text("problems.key_name", maximum=KEY_NAME_MAX_CHARS))
        if not self.scopes:
            raise InvalidValue("scopes", text("problems.key_scopes"))
        if self.project is not None and Scope.ADMIN in self.scopes:
            raise InvalidValue("project", text("problems.key_of_all_projects", scope=Scope.ADMIN))
        Quota(requests_per_s=self.requests_per_s)  # validates the limit

    def status(self, now: datetime) -> KeyStatus:
        """Return the key's status at a time."""
        if self.revoked_at is not None:
            return KeyStatus.REVOKED
        if self.expires_at is not None and self.expires_at <= now:
            return KeyStatus.EXPIRED
        return KeyStatus.ACTIVE

    def exceeds(self, caller: Caller) -> bool:
        """Whether it expires later, or has a higher rate limit, than the caller's own key."""
        is_later = caller.expires_at is not None and (
            self.expires_at is None or self.expires_at > caller.expires_at
        )
        is_faster = caller.requests_per_s is not None and (
            self.requests_per_s is None or self.requests_per_s > caller.requests_per_s
        )
        return is_later or is_faster

    def revoke(self, now: datetime) -> Self:
        """Revoke the key permanently; do nothing if it is already revoked."""
        return self if self.revoked_at is not None else replace(self, revoked_at=now)

    def rotate(self, successor: KeyId, digest: str, now: datetime, overlap: timedelta) -> tuple[Self, Self]:
        """Return the key, expiring after the overlap, and its successor, which has the same rights.

        Raises:
            KeyTransitionRefused: The key is expired or revoked.
        """
        status = self.status(now)
        if status is not KeyStatus.ACTIVE:
            raise KeyTransitionRefused(text("problems.key_cannot_rotate", status=status))
        end = now + overlap
        expires_at = end if self.expires_at is None else min(end, self.expires_at)
        new = replace(self, id=successor, digest=digest, created_at=now, last_used_at=None)
        return replace(self, expires_at=expires_at), new


def parse_key_id(text: str) -> KeyId:
    """Parse a key's id in the canonical form of RFC 9562.

    Raises:
        InvalidValue: The text is not such an id.
    """
    return KeyId(parse_uuid("key_id", text))


def _base62(number: int, digits: int) -> str:
    text = ""
    for _ in range(digits):
        number, digit = divmod(number, len(_BASE62))
        text = _BASE62[digit] + text
    return text


def _checksum(secret: str) -> str:
    return _base62(zlib.crc32(secret.encode()), _CHECKSUM_CHARS)
