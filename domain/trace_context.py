"""A position in a trace, in the format of W3C Trace Context."""

import re
from dataclasses import dataclass
from typing import Self

# The version, the ids of the trace and of the span, and the flags; later versions may append more (3.2).
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)
_TRACEPARENT_CHARS = 55
_TRACE_ID = slice(3, 35)
# Entries of tracing vendors (3.3); longer values need not be propagated and are dropped.
_TRACESTATE = re.compile(r"[\x20-\x7e]*")
_TRACESTATE_MAX_CHARS = 512
TRACE_CONTEXT_MAX_CHARS = _TRACEPARENT_CHARS + 1 + _TRACESTATE_MAX_CHARS


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span that further spans follow from. As text, it is both headers separated by a space.

    Attributes:
        traceparent: The ids of the trace and of the span, and whether it is sampled.
        tracestate: Entries of the tracing systems that the trace has passed through.
    """

    traceparent: str
    tracestate: str = ""

    @classmethod
    def parse(cls, traceparent: str | None, tracestate: str | None = None) -> Self | None:
        """Parse the headers of a request; return None if there is no trace or its header is malformed."""
        if traceparent is None or not _TRACEPARENT.fullmatch(traceparent):
            return None
        state = (tracestate or "").strip()
        if len(state) > _TRACESTATE_MAX_CHARS or not _TRACESTATE.fullmatch(state):
            state = ""
        return cls(traceparent[:_TRACEPARENT_CHARS], state)

    @classmethod
    def of_text(cls, text: str | None) -> Self | None:
        """Parse a stored text."""
        traceparent, _space, tracestate = (text or "").partition(" ")
        return cls.parse(traceparent, tracestate)

    @property
    def trace_id(self) -> str:
        """The id of the trace, in hexadecimal digits."""
        return self.traceparent[_TRACE_ID]

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a request that continues the trace."""
        headers = {"traceparent": self.traceparent}
        return headers | {"tracestate": self.tracestate} if self.tracestate else headers

    def __str__(self) -> str:
        return f"{self.traceparent} {self.tracestate}" if self.tracestate else self.traceparent
