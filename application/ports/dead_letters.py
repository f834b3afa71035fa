from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that nobody could handle.

    Attributes:
        id: Its name among the dead letters.
        name: The message's name, such as ExecutionRequested.
        error: The last error that its handler raised, with where it was raised.
    """

    id: str
    queue: str
    died_at: datetime
    name: str
    body: Mapping[str, Any]
    error: str


class DeadLetters(ABC):
    """Messages that were set aside because handling them fails, for people to look at.

    Every method raises DependencyUnavailable when the queue is out of reach.
    """

    @abstractmethod
    def latest(self, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters, those that died last first."""

    @abstractmethod
    def get(self, dead_id: str) -> DeadLetter | None:
        """Return a dead letter, or None if there is none of that id."""

    @abstractmethod
    def requeue(self, dead_id: str) -> bool:
        """Give a message to its handler once more; return whether there was one of that id."""
