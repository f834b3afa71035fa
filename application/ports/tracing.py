"""The port to the spans of this process."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import TypeAlias

from domain.trace_context import TraceContext

# Named as in OpenTelemetry's semantic conventions, or with the prefix `service_server.`; never a program, its
# input or output, or a key.
Attributes: TypeAlias = Mapping[str, str | int | float | bool]
NO_ATTRIBUTES: Attributes = MappingProxyType({})


class SpanKind(Enum):
    """The relation of a span to the other parts of its trace."""

    INTERNAL = auto()
    SERVER = auto()
    CLIENT = auto()
    PRODUCER = auto()
    CONSUMER = auto()


class Span(ABC):
    """A part of a trace, while it lasts."""

    @abstractmethod
    def rename(self, name: str) -> None:
        """Set a name that was not known at the start."""

    @abstractmethod
    def set(self, attributes: Attributes) -> None:
        """Set attributes."""

    @abstractmethod
    def fail(self, error_type: str) -> None:
        """Mark the span as failed."""


class Tracing(ABC):
    """The spans of this process. Safe to use from several threads; nothing waits for their export.

    The current position in a trace is `log_context.trace_context`. A span is a child of it, and replaces it
    until the span ends. Without a current trace, SERVER and CONSUMER spans start one, and other spans are
    omitted.
    """

    @abstractmethod
    def span(
        self,
        name: str,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[TraceContext] = (),
        begin: datetime | None = None,
    ) -> AbstractContextManager[Span]:
        """Return a span as a context manager. An error raised in the context marks the span as failed.

        Args:
            name: Its name, from a small set.
            attributes: Its attributes.
            kind: Its relation to the other parts of the trace.
            links: Spans of other traces that caused it.
            begin: When the work began, if before now.
        """

    @abstractmethod
    def record(
        self, name: str, begin: datetime, end: datetime, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Add a span that has already ended."""

    @abstractmethod
    def link(self, other: TraceContext) -> None:
        """Link the current span to a span of another trace."""

    @abstractmethod
    def instrument(self, client: object) -> None:
        """Record the calls of a library's client as spans."""

    @abstractmethod
    def close(self) -> None:
        """Export the spans that have ended, for at most some seconds, and shut down."""


class _NoSpan(Span):
    def rename(self, name: str) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass


NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())


class NoTracing(Tracing):
    """Records no spans; the caller's trace context stays current and is passed on."""

    def span(
        self,
        name: str,  # noqa: ARG002 - the port's signature
        attributes: Attributes = NO_ATTRIBUTES,  # noqa: ARG002
        *,
        kind: SpanKind = SpanKind.INTERNAL,  # noqa: ARG002
        links: Sequence[TraceContext] = (),  # noqa: ARG002
        begin: datetime | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Return a context that does nothing."""
        return NO_SPAN

    def record(
        self, name: str, begin: datetime, end: datetime, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Do nothing."""

    def link(self, other: TraceContext) -> None:
        """Do nothing."""

    def instrument(self, client: object) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


NO_TRACING = NoTracing()
