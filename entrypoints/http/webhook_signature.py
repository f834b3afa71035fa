"""Signatures of the messages that engines send us, after the Standard Webhooks specification 1.0.0."""

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
    """The message is not one that an engine of ours has signed just now.

    Attributes:
        headers: Name what is asked for instead (RFC 9110, 15.5.2).
    """

    headers = MappingProxyType({"WWW-Authenticate": "Webhook-Signature"})


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers of a message say of it, before it is known to be true."""

    message_id: str
    timestamp: str
    signatures: Sequence[bytes]


class WebhookVerifier:
    """Tells the messages that were signed with one of our secrets from all others.

    Args:
        keys: Several are good at once, so that one can take another's place.
    """

    def __init__(self, keys: Sequence[bytes], now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now

    def read_claim(self, headers: Mapping[str, str]) -> Claim:
        """Return what a message claims of itself.

        Raises:
            SignatureRefused: A header is missing, or the time is not now.
        """
        if not self._keys:
            raise SignatureRefused("reports by HTTP are not taken here: no webhook secret is configured")
        message_id, timestamp, signatures = (headers.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
        if not (message_id.isprintable() and 1 <= len(message_id) <= _ID_MAX_CHARS):
            raise SignatureRefused(f"the header {ID} is missing or not an id")
        if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > len(str(2**63)):
            raise SignatureRefused(f"the header {TIMESTAMP} is missing or not a time in seconds")
        if abs(self._now() - int(timestamp)) > TOLERANCE_S:
            raise SignatureRefused(f"the message was signed more than {TOLERANCE_S} s before or after now")
        if not signatures:
            raise SignatureRefused(f"the header {SIGNATURE} is missing")
        return Claim(message_id, timestamp, [signature.encode() for signature in signatures.split(" ")])

    def verify(self, headers: Mapping[str, str], body: bytes) -> str:
        """Return the id of a message that is signed.

        Raises:
            SignatureRefused: A header is missing, the time is not now, or no signature is good.
        """
        claim = self.read_claim(headers)
        content = f"{claim.message_id}.{claim.timestamp}.".encode() + body
        expected = [_signature(key, content) for key in self._keys]
        if not any(hmac.compare_digest(good, one) for good in expected for one in claim.signatures):
            raise SignatureRefused(f"no signature in the header {SIGNATURE} is good")
        return claim.message_id


def _signature(key: bytes, content: bytes) -> bytes:
    digest = hmac.new(key, content, hashlib.sha256).digest()
    return f"{_VERSION},".encode() + base64.b64encode(digest)
