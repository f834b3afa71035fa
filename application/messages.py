"""Domain events in serializable form."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.events import (
    BatchSubmitted,
    CasesJudged,
    Event,
    ExecutionStarted,
    JobRetried,
    JobStarted,
    JobSubmitted,
)
from domain.trace_context import TraceContext
from domain.values import MessageId

MESSAGE_VERSION = 1
_TRACE = "trace"
# Messages that may be lost: the reaper finds waiting executions, and watchers see progress, a moment later
# without them.
_BEST_EFFORT = frozenset(
    event.__name__
    for event in (JobSubmitted, JobStarted, ExecutionStarted, JobRetried, BatchSubmitted, CasesJudged)
)


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
    def of(cls, message_id: MessageId, event: Event, trace: TraceContext | None = None) -> "Message":
        """Convert an event and the trace in which it happened."""
        body = {field.name: _plain(getattr(event, field.name)) for field in fields(event)}
        traced = {} if trace is None else {_TRACE: str(trace)}
        return cls(
            id=message_id, name=type(event).__name__, body={"version": MESSAGE_VERSION, **body, **traced}
        )

    @property
    def may_be_lost(self) -> bool:
        """Whether it is not stored in the outbox."""
        return self.name in _BEST_EFFORT

    @property
    def trace(self) -> TraceContext | None:
        """The trace in which the event happened."""
        return TraceContext.of_text(self.body.get(_TRACE))


def _plain(value: object) -> object:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value
