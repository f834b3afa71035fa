"""Spans in memory, for inspection by tests."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from application.log_context import trace_context
from application.ports.tracing import NO_ATTRIBUTES, Attributes, Span, SpanKind, Tracing
from domain.trace_context import TraceContext


@dataclass
class KeptSpan(Span):
    """A span and its parent."""

    name: str
    place: TraceContext
    parent: TraceContext | None
    kind: SpanKind = SpanKind.INTERNAL
    attributes: dict[str, Any] = field(default_factory=dict)
    links: list[TraceContext] = field(default_factory=list)
    error: str | None = None

    def rename(self, name: str) -> None:
        """Rename the span."""
        self.name = name

    def set(self, attributes: Attributes) -> None:
        """Set attributes."""
        self.attributes |= attributes

    def fail(self, error_type: str) -> None:
        """Mark the span as failed."""
        self.error = error_type


class MemoryTracing(Tracing):
    """Records spans in the order of their starts, but only below a trace, which tests choose."""

    def __init__(self) -> None:
        self.spans: list[KeptSpan] = []

    @property
    def names(self) -> list[str]:
        """The names of the spans."""
        return [span.name for span in self.spans]

    def named(self, name: str) -> KeptSpan:
        """Return the only span with a name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    @contextmanager
    def span(
        self,
        name: str,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[TraceContext] = (),
        begin: datetime | None = None,  # noqa: ARG002 - the port's signature
    ) -> Iterator[Span]:
        """Record a span below the current one."""
        span = self._add(name, attributes, kind, links)
        token = trace_context.set(span.place if span.parent else None)
        try:
            yield span
        except Exception as error:
            span.fail(type(error).__qualname__)
            raise
        finally:
            trace_context.reset(token)

    def record(
        self,
        name: str,
        begin: datetime,  # noqa: ARG002 - the port's signature
        end: datetime,  # noqa: ARG002
        attributes: Attributes = NO_ATTRIBUTES,
    ) -> None:
        """Record a span that has ended."""
        self._add(name, attributes, SpanKind.INTERNAL, ())

    def link(self, other: TraceContext) -> None:
        """Record a link of the current span."""
        self.spans[-1].links.append(other)

    def instrument(self, client: object) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def _add(
        self, name: str, attributes: Attributes, kind: SpanKind, links: Sequence[TraceContext]
    ) -> KeptSpan:
        parent = trace_context.get()
        trace_id = parent.trace_id if parent else "0" * 32
        span_id = f"{len(self.spans) + 1:016x}"
        span = KeptSpan(
            name, TraceContext(f"00-{trace_id}-{span_id}-01"), parent, kind, dict(attributes), list(links)
        )
        if parent:
            self.spans.append(span)
        return span
