from collections.abc import Mapping
from dataclasses import replace

import dramatiq
from dramatiq.errors import DecodeError

# The options that messages have here. Others could have Dramatiq do what ends its threads.
_OPTIONS: Mapping[str, type] = {
    "redis_message_id": str,
    "eta": int,
    "retries": int,
    "requeue_timestamp": int,
    "traceback": str,
}


def decode(data: bytes) -> dramatiq.Message[None]:
    """Read a message, which anything that reaches the queue may have written; options not ours are left out.

    Raises:
        ValueError: It is none.
    """
    try:
        message: dramatiq.Message[None] = dramatiq.Message.decode(data)
    except DecodeError as error:
        raise ValueError("no message") from error
    names = (message.queue_name, message.actor_name, message.message_id)
    contents = (message.kwargs, message.options)
    if not all(isinstance(name, str) for name in names) or not all(
        isinstance(part, dict) for part in contents
    ):
        raise ValueError("a message whose parts are not what they should be")
    return replace(message, options=_believed(message.options))


def _believed(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if isinstance(value, _OPTIONS.get(name, ()))}
