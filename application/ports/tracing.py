"""The port to the spans of this process."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from typing import TypeAlias

from domain.trace_context import TraceContext

# By the names of OpenTelemetry's semantic conventions, or below `service_server.`; never a program, what it
# reads or writes, or a key.
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
        """Give it a name that was not known at its begin."""

    @abstractmethod
    def set(self, attributes: Attributes) -> None:
        """Set attributes."""

    @abstractmethod
    def fail(self, error_type: str) -> None:
        """Mark it as failed."""


class Tracing(ABC):
    """The spans of this process. Safe to use from several threads; nothing waits for their export.

    The current place in a trace is `log_context.trace_context`: a span begins below it, and is it until its
    end. Where there is none, a server's or a consumer's span begins a trace, and the others are left out.
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
        """Return a span, as a context that it lasts for. An error that leaves it marks it as failed.

        Args:
            name: Its name, of a small set.
            attributes: Its attributes.
            kind: Its relation to the other parts of the trace.
            links: Spans of other traces that it follows from.
            begin: When the work began, if that was earlier.
        """

    @abstractmethod
    def record(
        self, name: str, begin: datetime, end: datetime, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Add a span that has ended."""

    @abstractmethod
    def link(self, other: TraceContext) -> None:
        """Have the current span follow from a span of another trace."""

    @abstractmethod
    def instrument(self, client: object) -> None:
        """Have the calls of a library's client be spans."""

    @abstractmethod
    def close(self) -> None:
        """Export the spans that have ended, for some seconds at most, and end."""


class _NoSpan(Span):
    def rename(self, name: str) -> None:
        pass

    def set(self, attributes: Attributes) -> None:
        pass

    def fail(self, error_type: str) -> None:
        pass


NO_SPAN: AbstractContextManager[Span] = nullcontext(_NoSpan())


class NoTracing(Tracing):
    """No spans; a caller's place in a trace stays the current one, and is passed on."""

    def span(
        self,
        name: str,  # noqa: ARG002 - the port's signature
        attributes: Attributes = NO_ATTRIBUTES,  # noqa: ARG002
        *,
        kind: SpanKind = SpanKind.INTERNAL,  # noqa: ARG002
        links: Sequence[TraceContext] = (),  # noqa: ARG002
        begin: datetime | None = None,  # noqa: ARG002
    ) -> AbstractContextManager[Span]:
        """Return a context in which nothing is different."""
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
