from collections.abc import Collection, Sequence

from adapters.dramatiq_queue.broker import DeadMessage, QueueBroker
from adapters.dramatiq_queue.routes import QUEUES
from application.ports.dead_letters import DeadLetter, DeadLetters


class DramatiqDeadLetters(DeadLetters):
    """What lies in the dead letter queues of a Dramatiq broker."""

    def __init__(self, broker: QueueBroker, queues: Collection[str] = frozenset(QUEUES.values())) -> None:
        self._broker = broker
        self._queues = queues

    def latest(self, limit: int) -> Sequence[DeadLetter]:
        """Return dead letters of all queues, those that died last first."""
        dead = [letter for queue in self._queues for letter in self._of(queue, limit)]
        return sorted(dead, key=lambda letter: letter.died_at, reverse=True)[:limit]

    def get(self, dead_id: str) -> DeadLetter | None:
        """Return a dead letter, or None if there is none of that id."""
        for queue in self._queues:
            dead = self._broker.find_dead(queue, dead_id)
            if dead is not None:
                return _letter(queue, dead)
        return None

    def requeue(self, dead_id: str) -> bool:
        """Put a message back on its queue as if it were new; return whether there was one of that id."""
        return any(self._broker.revive(queue, dead_id) for queue in self._queues)

    def _of(self, queue: str, limit: int) -> Sequence[DeadLetter]:
        return [_letter(queue, dead) for dead in self._broker.dead(queue, limit)]


def _letter(queue: str, dead: DeadMessage) -> DeadLetter:
    fields = dead.message.kwargs
    body = fields.get("body", {})
    return DeadLetter(
        id=dead.id,
        queue=queue,
        died_at=dead.died_at,
        name=str(fields.get("name", "")),
        body=body if isinstance(body, dict) else {"unreadable": body},
        error=str(dead.message.options.get("traceback", "nothing here handles it")),
    )
