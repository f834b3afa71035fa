"""The port to dead-lettered messages."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message whose handler failed for a reason that a retry would not mend.

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
    """Messages that were dead-lettered, for operators to inspect and to requeue.

    Every method raises DependencyUnavailable when the queue is out of reach.
    """

    @abstractmethod
    def count(self) -> int:
        """Return how many dead letters there are."""

    @abstractmethod
    def latest(self, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters, the latest first."""

    @abstractmethod
    def get(self, letter_id: str) -> DeadLetter | None:
        """Return a dead letter, or None if there is none of that id."""

    @abstractmethod
    def requeue(self, letter_id: str) -> bool:
        """Put a message back on its queue as new; return whether there was one of that id."""
