"""Which queue a message asks for work on, and the form that it travels in.

A queue has one actor, of the queue's name. What is not routed here asks nobody for work: it is a fact, for
the event feed.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq.errors import Retry

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.messages import Message
from domain.values import MessageId

logger = logging.getLogger("service_server.queue")

EXECUTIONS = "service_server.executions"
COMPLETIONS = "service_server.completions"

QUEUES: Mapping[str, str] = {
    "ExecutionRequested": EXECUTIONS,
    "ExecutionReported": COMPLETIONS,
}

# What is announced again as long as it is so: one of these that comes to nothing need not be kept.
HINTS = frozenset({"ExecutionRequested"})

Handler = Callable[[Message], object]


def declare_actors(broker: dramatiq.Broker, handlers: Mapping[str, Handler]) -> None:
    """Let handlers consume the queues of the messages that they handle.

    Args:
        broker: Whose queues they are.
        handlers: What handles a message, by the message's name.

    Raises:
        KeyError: A handler is for a message that is not routed.
    """
    for name, handler in handlers.items():
        queue = QUEUES[name]
        dramatiq.actor(broker=broker, actor_name=queue, queue_name=queue)(
            _consumer(handler, is_hint=name in HINTS)
        )


def to_dramatiq(message: Message, queue: str) -> dramatiq.Message[None]:
    """Put a message in the form that it has on its queue."""
    fields = {"id": str(message.id), "name": message.name, "body": dict(message.body)}
    return dramatiq.Message(queue_name=queue, actor_name=queue, args=(), kwargs=fields, options={})


def _consumer(handler: Handler, *, is_hint: bool) -> Callable[..., None]:
    def consume(*, name: str, body: Mapping[str, Any], **others: object) -> None:
        message = Message(id=MessageId(UUID(str(others["id"]))), name=name, body=body)
        try:
            handler(message)
        except DependencyUnavailable as error:
            if is_hint:
                logger.warning("%s will be announced again: %s", name, error, extra=outage_of(error))
                return
            logger.warning("%s is to be tried again: %s", name, error, extra=outage_of(error))
            raise Retry(str(error)) from error

    return consume
