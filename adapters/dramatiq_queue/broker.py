"""What this service needs of a Dramatiq broker beside Dramatiq's own interface."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dramatiq
from dramatiq.errors import Retry
from dramatiq.middleware import Retries

from application.errors import DependencyUnavailable

# What a queue holds at most, so that hints which nobody takes cannot pile up. A message takes about half a
# kilobyte, and its sender keeps what is refused.
MAX_WAITING = 10_000
MAX_DEAD = 1_000

MIN_BACKOFF_MS = 1_000
# Less than a lease: once the database is back, a report is in before its execution is taken for lost.
MAX_BACKOFF_MS = 10_000


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that its actor failed on, as it was, and when that happened."""

    id: str
    died_at: datetime
    message: dramatiq.Message[None]


class QueueBroker(dramatiq.Broker, ABC):
    """A broker that can be asked whether it works, and what it has in its dead letter queues.

    Every method raises DependencyUnavailable when the queue is out of reach.
    """

    @abstractmethod
    def ping(self) -> None:
        """Find out cheaply whether messages can be enqueued."""

    @abstractmethod
    def waiting(self, queue: str) -> int:
        """Return how many messages wait in a queue."""

    @abstractmethod
    def dead(self, queue: str, limit: int) -> Sequence[DeadMessage]:
        """Return the messages that died on a queue, the latest first."""

    @abstractmethod
    def find_dead(self, queue: str, dead_id: str) -> DeadMessage | None:
        """Return a message that died on a queue, or None if it is not among the dead."""

    @abstractmethod
    def revive(self, queue: str, dead_id: str) -> bool:
        """Put a dead message back on its queue as if it were new; return whether it was among the dead."""


class InterruptibleConsumer(dramatiq.Consumer, ABC):
    """A consumer whose wait for a message can be cut short, so that stopping costs no waiting time."""

    @abstractmethod
    def interrupt(self) -> None:
        """Return from the wait at once, now and from now on."""


class _Retries(Retries):
    """Has a message that could not be put back for another try go to the dead letters, and not be lost."""

    def after_process_message(
        self,
        broker: dramatiq.Broker,
        message: dramatiq.MessageProxy,
        *,
        result: object = None,
        exception: BaseException | None = None,
    ) -> None:
        try:
            super().after_process_message(  # type: ignore[no-untyped-call]  # Dramatiq's is not typed
                broker, message, result=result, exception=exception
            )
        except DependencyUnavailable:
            message.fail()
            raise


def retries() -> Retries:
    """Build the only middleware that is used.

    An actor that raises Retry, because a dependency is away, is called again, with back-off, for as long as
    that takes. Whatever else it raises sends its message to the dead letters at once. Dramatiq's own limits
    of age and time are not used: the limits of an execution are the engine's, and a thread that is
    interrupted would lose its lease.
    """
    return _Retries(
        retry_when=lambda _retries, error: isinstance(error, Retry),
        min_backoff=MIN_BACKOFF_MS,
        max_backoff=MAX_BACKOFF_MS,
    )


def is_new(message: dramatiq.Message[Any]) -> bool:
    """Whether a message has never been in hand: only such a one is refused where a queue is full."""
    return "retries" not in message.options
