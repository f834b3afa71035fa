"""Encoding of messages. The queue has one actor, with the queue's name."""

from dataclasses import replace

import dramatiq
from dramatiq.common import q_name
from dramatiq.errors import DecodeError

COMPLETIONS = "service_server.completions"

# Other options could make Dramatiq terminate its threads.
_OPTIONS = {"redis_message_id": str, "eta": int, "retries": int, "requeue_timestamp": int, "traceback": str}


def decode(data: bytes, queue: str) -> dramatiq.Message[None]:
    """Decode a message of a queue, with known options only.

    Any Redis client may have written the bytes. If they are no message of the queue, they become the content
    of one.
    """
    unreadable = {"unreadable": data.decode("utf-8", "replace")}
    blank: dramatiq.Message[None] = dramatiq.Message(
        queue, q_name(queue), args=(), kwargs=unreadable, options={}
    )
    try:
        message = dramatiq.Message.decode(data)
    except DecodeError:
        return blank
    # Dramatiq does not verify types.
    parts: tuple[object, object] = (message.kwargs, message.options)
    is_addressed = (message.queue_name, message.actor_name) == (blank.queue_name, blank.actor_name)
    if not (is_addressed and all(isinstance(part, dict) for part in parts)):
        return blank
    options = {name: value for name, value in message.options.items() if _is_known(name, value)}
    if queue == q_name(queue):  # only the queue of delayed messages has messages that wait for their time
        options.pop("eta", None)
    return replace(blank, kwargs=message.kwargs, options=options)


def _is_known(name: str, value: object) -> bool:
    has_type = type(value) is _OPTIONS.get(name)
    return has_type and (name != "redis_message_id" or str(value).isascii())
