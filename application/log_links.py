"""Signed links to logs, which are read without a key."""

import base64
import hashlib
import hmac
from functools import lru_cache
from urllib.parse import quote

from application.ports.clock import Clock
from domain.values import ObjectKey

LINK_PATH = "/api/log-link"
# The derived key is used only for signatures of this format.
_CONTEXT = b"service-server log link 1"
# Links made within the same minute are equal, so that responses with links can be compared.
_STEP_S = 60
_MAX_DIGITS = 12
# For lists that are requested repeatedly, as by the dashboard.
_KEPT_LINKS = 4_096


class LogLinks:
    """Creates and verifies links, each to one log and for a limited time.

    Args:
        key: The secret of the installation, shared by all of its processes.
        base_url: The address of this service for clients.
        expiry_s: How long a link is valid, in seconds; up to a minute longer.
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
        # By segment, because text with only unreserved characters is quoted in a single step.
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
