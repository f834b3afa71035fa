"""Secrets and signatures of webhooks, following the Standard Webhooks specification 1.0.0."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from domain.catalogue.text import text
from domain.errors import InvalidValue

SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix of secrets, not a secret
SECRET_MIN_BYTES, SECRET_MAX_BYTES = 24, 64
_GENERATED_BYTES = 32
_VERSION = "v1"


@dataclass(frozen=True, slots=True, repr=False)
class WebhookSecret:
    """The text of a secret: a prefix, and 24 to 64 random bytes in Base64.

    Raises:
        InvalidValue: The text is not a valid secret.
    """

    value: str

    def __post_init__(self) -> None:
        if not self.value.startswith(SECRET_PREFIX) or not self._has_key():
            raise InvalidValue(
                "callback_secret",
                text(
                    "problems.webhook_secret",
                    prefix=SECRET_PREFIX,
                    minimum=SECRET_MIN_BYTES,
                    maximum=SECRET_MAX_BYTES,
                ),
            )

    @classmethod
    def generate(cls) -> Self:
        """Generate a secret from the system's random bits."""
        key = secrets.token_bytes(_GENERATED_BYTES)
        return cls(SECRET_PREFIX + base64.b64encode(key).decode())

    @property
    def key(self) -> bytes:
        """The signing key."""
        return base64.b64decode(self.value.removeprefix(SECRET_PREFIX), validate=True)

    def __repr__(self) -> str:
        return f"WebhookSecret({SECRET_PREFIX}...)"

    def _has_key(self) -> bool:
        try:
            return SECRET_MIN_BYTES <= len(self.key) <= SECRET_MAX_BYTES
        except (binascii.Error, ValueError):
            return False


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """Return the signature of a message with a key, prefixed by the version."""
    content = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"{_VERSION},{base64.b64encode(digest).decode()}"


def signed_headers(
    keys: Iterable[WebhookSecret], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of a message, with one signature for each secret."""
    signatures = (signature(secret.key, message_id, str(timestamp), body) for secret in keys)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
