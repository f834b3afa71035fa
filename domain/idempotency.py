"""Idempotency keys: a request repeated under its key takes effect once and gets the first answer.

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
    """The state of a recorded key, as seen by a request that uses it again."""

    EXPIRED = "EXPIRED"  # as if it were absent
    REUSED = "REUSED"  # by a different request
    IN_WORK = "IN_WORK"  # the request took effect, but is not answered yet
    ABANDONED = "ABANDONED"  # the request took effect, but its answer is overdue because its process was lost
    ANSWERED = "ANSWERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class IdempotentRequest:
    """A request with an idempotency key, represented only by digests.

    Attributes:
        id: The id of this request, by which it recognizes the record that it created.
        key: The SHA-256 of the key's text and of the project that the caller is restricted to, in
            hexadecimal.
        fingerprint: The HMAC-SHA-256 of method, path, query and body, keyed with the key's text, in
            hexadecimal.
        answer_due: When its answer is overdue.
    """

    id: UUID
    key: str
    fingerprint: str
    received_at: datetime
    answer_due: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """A stored response that can be given again: its status, the relevant headers, and its body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """The record of a key, created together with the effect of its first request.

    Attributes:
        made: The object that the request created or changed, from which its answer can be made again.
    """

    request: IdempotentRequest
    made: str
    answer: StoredAnswer | None = None

    def state(self, request: IdempotentRequest, kept: timedelta) -> KeyState:
        """Return the state as seen by a later request, if records are kept for a given time.

        A record from the future was made before a clock was set back, or on a host with another clock.
        """
        now = request.received_at
        if self.request.received_at + kept <= now:
            return KeyState.EXPIRED
        if not hmac.compare_digest(self.request.fingerprint, request.fingerprint):
            return KeyState.REUSED
        if self.answer is not None:
            return KeyState.ANSWERED
        answered_within = self.request.answer_due - self.request.received_at
        is_due = abs(now - self.request.received_at) >= answered_within
        return KeyState.ABANDONED if is_due else KeyState.IN_WORK
