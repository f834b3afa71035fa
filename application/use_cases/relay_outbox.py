from collections.abc import Sequence

from application.messages import Message
from application.ports.message_publisher import MessagePublisher
from application.ports.unit_of_work import UnitOfWork


class RelayOutbox:
    """Publish what commits left in the outbox, and forget it once it is published.

    The messages of this process's own commits come by hand; a sweep finds those that a crash, or a queue
    that was out of reach, left behind. A message may be published twice, and never not at all.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        publisher: MessagePublisher,
        left_behind_after_s: float,
        batch: int = 200,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._publisher = publisher
        self._left_behind_after_s = left_behind_after_s
        self._batch = batch

    def __call__(self, messages: Sequence[Message]) -> None:
        """Publish messages that are in the outbox.

        Raises:
            DependencyUnavailable: They stay in the outbox, for a later sweep.
        """
        self._publisher.publish(messages)
        published = [message.id for message in messages]
        self._unit_of_work.run(lambda transaction: transaction.outbox.remove(published))

    def sweep(self) -> int:
        """Publish what was left behind, in batches to the end; return how many messages that were.

        Raises:
            DependencyUnavailable: What is not published yet stays in the outbox.
        """
        total = 0
        while messages := self._unit_of_work.run(
            lambda transaction: transaction.outbox.left_behind(self._left_behind_after_s, self._batch)
        ):
            self(messages)
            total += len(messages)
        return total
