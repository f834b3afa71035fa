from collections.abc import Sequence
from threading import Lock

from application.messages import Message
from application.ports.message_publisher import MessagePublisher
from application.ports.unit_of_work import UnitOfWork
from domain.values import MessageId


class RelayOutbox:
    """Publish what commits left in the outbox, and forget it once it is published.

    The messages of this process's own commits come by hand; a sweep finds those that a crash, or a queue
    that was out of reach, left behind. Any number of processes may sweep at once: each takes messages for
    itself, and whoever does not live to publish what it took leaves it to the next one. A message may be
    published twice, and never not at all.

    Args:
        left_behind_after_s: How long ago a message was added, or taken by a sweep, that nobody will publish.
        batch: How many are swept at a time.
        forget_every: After how many published messages they are forgotten, in one transaction; until the
            next sweep at the latest. What a crash keeps from being forgotten is published once more.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        publisher: MessagePublisher,
        left_behind_after_s: float,
        batch: int = 200,
        forget_every: int = 100,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._publisher = publisher
        self._left_behind_after_s = left_behind_after_s
        self._batch = batch
        self._forget_every = forget_every
        self._published: list[MessageId] = []
        self._lock = Lock()

    def __call__(self, messages: Sequence[Message]) -> None:
        """Publish messages that are in the outbox.

        Raises:
            DependencyUnavailable: They stay in the outbox, for a later sweep.
        """
        self._publisher.publish(messages)
        with self._lock:
            self._published += [message.id for message in messages]
            is_due = len(self._published) >= self._forget_every
        if is_due:
            self.forget()

    def forget(self) -> None:
        """Remove from the outbox what has been published and is still there.

        Raises:
            DependencyUnavailable: It stays there, to be published once more.
        """
        with self._lock:
            published, self._published = self._published, []
        if published:
            self._unit_of_work.run(lambda transaction: transaction.outbox.remove(published))

    def sweep(self) -> int:
        """Publish what was left behind, in batches to the end; return how many messages that were.

        Raises:
            DependencyUnavailable: What is not published yet stays in the outbox.
        """
        self.forget()
        total = 0
        while messages := self._unit_of_work.run(
            lambda transaction: transaction.outbox.fetch_stale(self._left_behind_after_s, self._batch)
        ):
            self(messages)
            self.forget()
            total += len(messages)
        return total
