"""The port to dead-lettered messages."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message whose handler failed for a reason that a retry would not resolve.

    Attributes:
        id: Its key among the dead letters.
        name: The message's name, such as ExecutionReported.
        error: The last error of its handler, with the traceback.
    """

    id: str
    queue: str
    died_at: datetime
    name: str
    body: Mapping[str, Any]
    error: str


class DeadLetterStore(ABC):
    """Dead-lettered messages, which operators can inspect and requeue.

    Every method raises DependencyUnavailable if the queue is unavailable.
    """

    @abstractmethod
    def count(self) -> int:
        """Return the number of dead letters."""

    @abstractmethod
    def latest(self, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters, latest first."""

    @abstractmethod
    def get(self, letter_id: str) -> DeadLetter | None:
        """Return a dead letter, or None if there is none with that id."""

    @abstractmethod
    def requeue(self, letter_id: str) -> bool:
        """Put a message back on its queue as new; return whether there was one with that id."""
