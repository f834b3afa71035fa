"""Idempotency keys: a request that comes again under its key has one effect, and the first answer.

(absent) ──effect──> IN_WORK ──answer──> ANSWERED
                        └──deadline──> ABANDONED ──answer──> ANSWERED
"""

import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

IDEMPOTENCY_KEY_MAX_CHARS = 255


class KeyState(StrEnum):
    """The state of a recorded key for a request that brings it again."""

    EXPIRED = "EXPIRED"  # as if it were absent
    REUSED = "REUSED"  # by another request than the first
    IN_WORK = "IN_WORK"  # the effect is there, the answer is not yet
    ABANDONED = "ABANDONED"  # the effect is there, and the answer is overdue: its process was lost
    ANSWERED = "ANSWERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentRequest:
    """A request under an idempotency key, by digests alone.

    Attributes:
        id: Its own, by which it knows the record that it made.
        key: The SHA-256 of the key's text and the caller's reach, in hexadecimal.
        fingerprint: The HMAC-SHA-256 of method, path, query and body under the key's text, in hexadecimal.
        answer_due: When its answer is overdue.
    """

    id: UUID
    key: str
    fingerprint: str
    received_at: datetime
    answer_due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer as it is given again: its status, the headers that are part of it, and its body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """The record of a key, made with the effect of its first request.

    Attributes:
        made: What the request made or changed, by which its answer can be made again.
    """

    request: IdempotentRequest
    made: str
    answer: StoredAnswer | None = None

    def state(self, request: IdempotentRequest, kept: timedelta) -> KeyState:
        """Return the state for a later request, where records are kept for some time."""
        now = request.received_at
        if self.request.received_at + kept <= now:
            return KeyState.EXPIRED
        if not hmac.compare_digest(self.request.fingerprint, request.fingerprint):
            return KeyState.REUSED
        if self.answer is not None:
            return KeyState.ANSWERED
        return KeyState.IN_WORK if now < self.request.answer_due else KeyState.ABANDONED
