"""Domain events in their serializable form."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.events import Event
from domain.values import MessageId

MESSAGE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """An event, or an engine's report. Its body is JSON data; readers ignore unknown fields.

    Attributes:
        name: The name of the event's class, such as JobCompleted.
    """

    id: MessageId
    name: str
    body: Mapping[str, Any]

    @classmethod
    def of(cls, message_id: MessageId, event: Event) -> "Message":
        """Convert an event."""
        body = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
        return cls(id=message_id, name=type(event).__name__, body={"version": MESSAGE_VERSION, **body})


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
