"""Tracing with OpenTelemetry's SDK, configured by its standard environment variables."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import Token
from datetime import datetime
from threading import Thread
from types import TracebackType

import sqlalchemy as sa
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.instrumentor import (  # type: ignore[attr-defined]
    BaseInstrumentor,
)
from opentelemetry.instrumentation.sqlalchemy import engine as sqlalchemy_tracer
from opentelemetry.instrumentation.sqlalchemy.engine import EngineTracer
from opentelemetry.instrumentation.utils import is_instrumentation_enabled, suppress_instrumentation
from opentelemetry.metrics import NoOpMeter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes as SpanAttributes

from application.log_context import outage, trace_context
from application.ports.tracing import NO_ATTRIBUTES, NO_SPAN, Attributes, Span, SpanKind, Tracing
from domain.trace_context import TraceContext

# How long `close` waits for the last spans to be exported.
FLUSH_S = 2.0

_SERVICE = "service-server"
_INSTRUMENTATION = "service_server"
_KINDS = {kind: trace.SpanKind[kind.name] for kind in SpanKind}
_BEGIN_TRACES = frozenset({SpanKind.SERVER, SpanKind.CONSUMER})
# The context key of the current position in a trace. It is set together with the span, unless the position
# came from another process.
_PLACE = otel_context.create_key("service-server-place")
_PROPAGATOR = TraceContextTextMapPropagator()
# The number of values of the part of a trace id that decides whether the trace is detailed.
_TRACE_IDS = 1 << 56
with suppress_instrumentation():
    # The context entries that suppress spans of instrumentations.
    _SUPPRESSION = dict(otel_context.get_current())
_POOL_EVENTS = ("connect", "close", "checkin", "checkout")
_NS_PER_S = 1_000_000_000


class OpenTelemetryTracing(Tracing):
    """Records spans with OpenTelemetry's SDK, whose thread exports them in batches and drops any excess.

    The sampler, limits, queue and exporter are configured by the standard environment variables. A service
    name or resource attributes set by these variables take precedence over the defaults here.

    A request makes about ten client calls (SQL statements, Redis commands, object store requests) per other
    span. Client calls are recorded in traces that callers sample, in all runs of programs, and in a share of
    the traces that begin with a request here.

    Args:
        version: The version of the service.
        instance: The name of this process.
        detailed: The share of traces with client calls, from 0 to 1.
    """

    def __init__(self, version: str, instance: str, detailed: float) -> None:
        self._detailed_below = round(detailed * _TRACE_IDS)
        # Makes instrumentations use the attribute names of the stable conventions.
        os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "database,http")
        own = {"service.name": _SERVICE, "service.version": version, "service.instance.id": instance}
        given = OTELResourceDetector().detect().attributes
        provider = TracerProvider(
            resource=Resource.create({name: value for name, value in own.items() if name not in given}),
            shutdown_on_exit=False,
        )
        provider.sampler = _ClientsBeginNoTrace(provider.sampler)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._provider = provider
        self._patches: list[BaseInstrumentor] = []
        self._tracer = provider.get_tracer(_INSTRUMENTATION, version)
        _count_outages()

    def span(
        self,
        name: str,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[TraceContext] = (),
        begin: datetime | None = None,
    ) -> AbstractContextManager[Span]:
        """Return a context manager that begins a span and ends it on exit."""
        place = trace_context.get()
        if place is None and kind not in _BEGIN_TRACES:
            return NO_SPAN
        if kind is SpanKind.CLIENT and not is_instrumentation_enabled():
            return NO_SPAN
        parent = _context_of(place)
        followed = [trace.Link(_span_context(other)) for other in links]
        if parent is not None and (current := trace.get_current_span().get_span_context()).is_valid:
            followed.append(trace.Link(current))
        span = self._tracer.start_span(
            name,
            parent,
            _KINDS[kind],
            attributes,
            followed,
            None if begin is None else _nanoseconds(begin),
            record_exception=False,
        )
        is_detailed = span.is_recording() and (
            place is not None
            or kind is not SpanKind.SERVER
            or span.get_span_context().trace_id % _TRACE_IDS < self._detailed_below
        )
        return _Lasting(span, parent, is_detailed=is_detailed)

    def record(
        self, name: str, begin: datetime, end: datetime, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        """Record a span that has already ended."""
        place = trace_context.get()
        if place is None:
            return
        span = self._tracer.start_span(
            name, _context_of(place), attributes=attributes, start_time=_nanoseconds(begin)
        )
        span.end(_nanoseconds(max(begin, end)))

    def link(self, other: TraceContext) -> None:
        """Link the current span to a span of another trace."""
        trace.get_current_span().add_link(_span_context(other))

    def instrument(self, client: object) -> None:
        """Record a span for each statement of a database engine.

        The SQLAlchemy instrumentor, which would patch the library's functions, rejects SQLAlchemy 2.1 and
        later, but its tracer of a single engine works with their events. Listeners on an engine slow down
        each statement, so only connections for detailed traces come from an engine with listeners.
        """
        if not isinstance(client, sa.Engine):
            return
        tracer = self._provider.get_tracer("opentelemetry.instrumentation.sqlalchemy")
        connections = NoOpMeter("").create_up_down_counter("connections")
        traced, connect = client.execution_options(), client.connect
        with _without_pool_listeners(traced):
            EngineTracer(tracer, traced, connections)  # type: ignore[no-untyped-call]
        # The instrumentation sets the span's status to the text of the error, which may contain values.
        sa.event.remove(traced, "handle_error", sqlalchemy_tracer._handle_error)  # noqa: SLF001
        sa.event.listen(traced, "handle_error", _end_failed)

        def chosen() -> sa.Connection:
            return traced.connect() if _is_detailed() else connect()

        client.connect = chosen  # type: ignore[method-assign]

    def instrument_redis(self) -> None:
        """Record a span for each command of all Redis clients, without arguments."""
        from opentelemetry.instrumentation.redis import RedisInstrumentor  # noqa: PLC0415 - imports the client

        self._patch(RedisInstrumentor())

    def instrument_aws(self) -> None:
        """Record a span for each boto3 call."""
        from opentelemetry.instrumentation.botocore import (  # noqa: PLC0415 - imports the client
            BotocoreInstrumentor,
        )

        self._patch(BotocoreInstrumentor())  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Export the ended spans, for a few seconds at most, and stop."""
        while self._patches:
            self._patches.pop().uninstrument()
        flush = Thread(target=self._provider.shutdown, name="traces-flush", daemon=True)
        flush.start()
        flush.join(FLUSH_S)

    def _patch(self, library: BaseInstrumentor) -> None:
        library.instrument(tracer_provider=self._provider)
        self._patches.append(library)


class _Lasting(AbstractContextManager[Span], Span):
    """A span that is current within its context."""

    __slots__ = ("_is_detailed", "_parent", "_place_token", "_span", "_token")

    def __init__(self, span: trace.Span, parent: Context | None, *, is_detailed: bool) -> None:
        self._span = span
        self._parent = parent
        self._is_detailed = is_detailed

    def __enter__(self) -> Span:
        place = _place_of(self._span.get_span_context())
        context = trace.set_span_in_context(self._span, self._parent) | {_PLACE: place}
        self._token: Token[Context] = otel_context.attach(
            Context(context if self._is_detailed else context | _SUPPRESSION)
        )
        self._place_token = trace_context.set(place)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        trace_context.reset(self._place_token)
        otel_context.detach(self._token)
        if isinstance(error, Exception):
            self.fail(type(error).__qualname__)
        self._span.end()

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(trace.StatusCode.ERROR)


class _ClientsBeginNoTrace(Sampler):
    """Drops client calls that belong to no trace, such as the calls of periodic tasks."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: trace.SpanKind | None = None,
        attributes: SpanAttributes = None,
        links: Sequence[trace.Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        if kind is trace.SpanKind.CLIENT:
            parent = trace.get_current_span(parent_context).get_span_context()
            if not parent.is_valid:
                return SamplingResult(Decision.DROP)
        return self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return f"ClientsBeginNoTrace({self._sampler.get_description()})"


@contextmanager
def _without_pool_listeners(engine: sa.Engine) -> Iterator[None]:
    """Remove pool listeners added within the context: they count the pool's use, which takes time."""
    added: list[tuple[str, Callable[..., object]]] = []
    before = {name: list(getattr(engine.pool.dispatch, name)) for name in _POOL_EVENTS}
    yield
    for name in _POOL_EVENTS:
        added += [(name, each) for each in getattr(engine.pool.dispatch, name) if each not in before[name]]
    for name, each in added:
        sa.event.remove(engine, name, each)


def _end_failed(context: sa.ExceptionContext) -> None:
    """End the span of a failed statement, with the type of its error."""
    span: trace.Span | None = getattr(context.execution_context, "_otel_span", None)
    if span is not None:
        span.set_attribute("error.type", type(context.original_exception).__qualname__)
        span.set_status(trace.StatusCode.ERROR)
        span.end()


def _is_detailed() -> bool:
    return is_instrumentation_enabled() and trace.get_current_span().is_recording()


def _context_of(place: TraceContext | None) -> Context | None:
    """Return the context of a position in a trace; None for the current context."""
    if place is None:
        return Context()
    if otel_context.get_value(_PLACE) is place:
        return None
    return _PROPAGATOR.extract(place.headers, Context())


def _span_context(place: TraceContext) -> trace.SpanContext:
    return trace.get_current_span(_PROPAGATOR.extract(place.headers, Context())).get_span_context()


def _place_of(span: trace.SpanContext) -> TraceContext:
    traceparent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    return TraceContext(traceparent, span.trace_state.to_header() if span.trace_state else "")


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * _NS_PER_S)


def _count_outages() -> None:
    """Make the log count the exporter's messages, not repeat them, while the collector is unavailable."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(("opentelemetry.exporter", "opentelemetry.sdk._shared_internal")):
            logging.getLogger(name).addFilter(_as_outage)


def _as_outage(record: logging.LogRecord) -> bool:
    vars(record).update(outage("traces", "spans are lost"))
    return True
