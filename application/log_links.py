"""Signed links to logs, which are read without a key."""

import base64
import hashlib
import hmac
from functools import lru_cache
from urllib.parse import quote

from application.ports.clock import Clock
from domain.values import ObjectKey

LINK_PATH = "/api/log-link"
# The key is for nothing but these signatures, of this form.
_CONTEXT = b"service-server log link 1"
# Links that are made within a minute are the same, so that answers with them can be compared.
_STEP_S = 60
_MAX_DIGITS = 12
# Of lists that are asked for again, as the dashboard does.
_KEPT_LINKS = 4_096


class LogLinks:
    """Makes links to logs, each for one log and for a time, and checks them.

    Args:
        key: The secret of the installation. Every process that serves it has the same.
        base_url: The address of this service for clients.
        expiry_s: For how long a link is good, in seconds; up to a minute longer.
    """

    def __init__(self, key: bytes, base_url: str, expiry_s: int, clock: Clock) -> None:
        self._key = hmac.digest(key, _CONTEXT, hashlib.sha256)
        self._base_url = base_url.rstrip("/")
        self._expiry_s = expiry_s
        self._clock = clock
        self._link = lru_cache(_KEPT_LINKS)(self._make)

    def url(self, log_key: ObjectKey) -> str:
        """Return a link to a log."""
        expires = -(-(int(self._clock.now().timestamp()) + self._expiry_s) // _STEP_S) * _STEP_S
        return self._link(log_key, expires)

    def _make(self, log_key: ObjectKey, expires: int) -> str:
        signature = self._signature(log_key, expires)
        # By segments: a text that is unreserved throughout is quoted in a single step.
        quoted = "%2F".join(quote(segment, safe="") for segment in log_key.value.split("/"))
        return f"{self._base_url}{LINK_PATH}?log_key={quoted}&expires={expires}&signature={signature}"

    def is_valid(self, log_key: ObjectKey, expires: str, signature: str) -> bool:
        """Whether a link was made here for this log, and has not expired."""
        is_number = len(expires) <= _MAX_DIGITS and expires.isascii() and expires.isdecimal()
        expires_at = int(expires) if is_number else 0
        expected = self._signature(log_key, expires_at)
        is_signed = hmac.compare_digest(expected.encode(), signature.encode(errors="replace"))
        return is_signed and str(expires_at) == expires and expires_at > self._clock.now().timestamp()

    def _signature(self, log_key: ObjectKey, expires_at: int) -> str:
        signed = f"{expires_at}\n{log_key}".encode("utf-8", "surrogatepass")
        digest = hmac.digest(self._key, signed, "sha256")
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")
