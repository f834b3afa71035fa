"""Signatures of the messages from engines, as in the Standard Webhooks specification 1.0.0."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE_S = 300
_ID_MAX_CHARS = 256
_VERSION = "v1"


class SignatureRefused(Exception):
    """The message has no valid signature of a known engine, or is too old.

    Attributes:
        headers: The required authentication (RFC 9110, 15.5.2).
    """

    headers = MappingProxyType({"WWW-Authenticate": "Webhook-Signature"})


@dataclass(frozen=True, slots=True)
class Claim:
    """The signature headers of a message, not yet verified."""

    message_id: str
    timestamp: str
    signatures: Sequence[bytes]


class WebhookVerifier:
    """Verifies the signatures of messages.

    Args:
        keys: The accepted keys; several while one replaces another.
    """

    def __init__(self, keys: Sequence[bytes], now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now

    def read_claim(self, headers: Mapping[str, str]) -> Claim:
        """Parse the signature headers of a message.

        Raises:
            SignatureRefused: A header is missing, or the timestamp is too far from now.
        """
        if not self._keys:
            raise SignatureRefused("reports by HTTP are not accepted: no webhook secret is configured")
        message_id, timestamp, signatures = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
        if not (message_id.isprintable() and 1 <= len(message_id) <= _ID_MAX_CHARS):
            raise SignatureRefused(f"the header {ID} is missing or is not an id")
        if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > len(str(2**63)):
            raise SignatureRefused(f"the header {TIMESTAMP} is missing or is not a time in seconds")
        if abs(self._now() - int(timestamp)) > TOLERANCE_S:
            raise SignatureRefused(f"the message was signed more than {TOLERANCE_S} s before or after now")
        if not signatures:
            raise SignatureRefused(f"the header {SIGNATURE} is missing")
        return Claim(message_id, timestamp, [signature.encode() for signature in signatures.split(" ")])

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """Verify a message and return its id.

        Raises:
            SignatureRefused: A header is missing, the timestamp is too far from now, or no signature is
                valid.
        """
        claim = self.read_claim(headers)
        content = f"{claim.message_id}.{claim.timestamp}.".encode() + body
        expected = [_signature(key, content) for key in self._keys]
        if not any(hmac.compare_digest(good, one) for good in expected for one in claim.signatures):
            raise SignatureRefused(f"no signature in the header {SIGNATURE} is valid")
        return claim.message_id


def _signature(key: bytes, content: bytes) -> bytes:
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"{_VERSION},".encode() + base64.b64encode(digest)
