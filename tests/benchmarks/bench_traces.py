"""The additional processor time of an upload with traces, including their export.

`python -m tests.benchmarks.bench_traces [ROUNDS]`; the default is 40 rounds of 256 uploads with traces and
256 without. The spans of a round, about as many as in a batch, are exported at its end. The exit code is 1 if
the figure misses its target.
"""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from ctypes import c_bool
from datetime import datetime
from unittest.mock import patch

import sqlalchemy as sa

from adapters.opentelemetry.tracing import OpenTelemetryTracing
from application.ports.tracing import NO_ATTRIBUTES, NO_TRACING, Attributes, Span, SpanKind, Tracing
from domain.trace_context import TraceContext
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.benchmarks.switched_service import switched_service
from tests.support.otlp_receiver import otlp_receiver

ROUNDS = 40
# The maximum processor time of an upload, relative to an upload without traces.
TARGET = 1.08
_UPLOADS = 256


class _Switched(Tracing):
    """Spans that are recorded only while a switch is on."""

    def __init__(self, is_on: c_bool, tracing: OpenTelemetryTracing) -> None:
        self._is_on = is_on
        self._tracing = tracing

    @property
    def _chosen(self) -> Tracing:
        return self._tracing if self._is_on.value else NO_TRACING

    def span(
        self,
        name: str,
        attributes: Attributes = NO_ATTRIBUTES,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        links: Sequence[TraceContext] = (),
        begin: datetime | None = None,
    ) -> AbstractContextManager[Span]:
        return self._chosen.span(name, attributes, kind=kind, links=links, begin=begin)

    def record(
        self, name: str, begin: datetime, end: datetime, attributes: Attributes = NO_ATTRIBUTES
    ) -> None:
        self._chosen.record(name, begin, end, attributes)

    def link(self, other: TraceContext) -> None:
        self._chosen.link(other)

    def instrument(self, client: object) -> None:
        assert isinstance(client, sa.Engine)
        plain = client.connect
        self._tracing.instrument(client)
        traced = client.connect
        client.connect = lambda: traced() if self._is_on.value else plain()  # type: ignore[method-assign]

    def close(self) -> None:
        self._tracing.close()


def main(rounds: int = ROUNDS) -> list[str]:
    """Print the figures; return the names of those that missed their targets."""
    with otlp_receiver() as receiver:
        # Only for the service, which is a child process, and not for later benchmarks.
        collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
        with patch.dict(os.environ, collector), switched_service(_install) as service:
            with_traces, without = service.compare(rounds, _UPLOADS)
        spans = len(receiver.spans)
    ratio = with_traces / without
    print(f"an upload, processor time: {without:.0f} us without, {with_traces:.0f} us with traces")
    print(f"ratio {ratio:.4f}, at most {TARGET:.2f}; {spans} spans came")
    return ["upload"] if ratio > TARGET else []


def _install(container: Container, is_on: c_bool) -> Callable[[], object]:
    detailed = Settings.model_fields["detailed_traces"].default
    tracing = OpenTelemetryTracing("0", "bench", detailed)
    container.tracing.override(_Switched(is_on, tracing))
    return tracing._provider.force_flush  # noqa: SLF001 - a service flushes only at its end


if __name__ == "__main__":
    if too_slow := main(*(int(argument) for argument in sys.argv[1:])):
        sys.exit(f"missed: {', '.join(too_slow)}")
