"""A receiver of spans by OTLP over HTTP, which stores a limited number of them."""

import gzip
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

_MAX_SPANS, _MAX_BYTES = 10_000, 16 << 20


@dataclass(frozen=True)
class Received:
    """A span, with the resource attributes of the process that sent it."""

    span: Span
    resource: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The span's name."""
        return self.span.name

    @property
    def trace_id(self) -> str:
        """The id of the span's trace."""
        return self.span.trace_id.hex()

    @property
    def id(self) -> str:
        """The span's own id."""
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        """The id of the parent span; empty for the root of a trace."""
        return self.span.parent_span_id.hex()

    @property
    def kind(self) -> str:
        """The span's kind."""
        return Span.SpanKind.Name(self.span.kind).removeprefix("SPAN_KIND_")

    @property
    def attributes(self) -> Mapping[str, Any]:
        """The span's attributes."""
        return _plain(self.span.attributes)


class OtlpReceiver(ThreadingHTTPServer):
    """Stores the spans that it receives, and responds like a collector or with an error.

    Attributes:
        status: The status code of the responses.
        answers: While cleared, responses are held back.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = 200
        self.answers = threading.Event()
        self.answers.set()
        self.posts = 0
        self._received: list[Received] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def spans(self) -> list[Received]:
        """The spans, in order of arrival."""
        with self._lock:
            return list(self._received)

    def of_trace(self, trace_id: str) -> list[Received]:
        """Return the spans of a trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def take(self, body: bytes) -> None:
        """Store the spans of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        new = [
            Received(span, _plain(of_resource.resource.attributes))
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        ]
        with self._lock:
            self.posts += 1
            self._received += new[: _MAX_SPANS - len(self._received)]


class _Handler(BaseHTTPRequestHandler):
    server: OtlpReceiver

    def do_POST(self) -> None:
        size = int(self.headers["content-length"])
        assert size <= _MAX_BYTES
        assert self.path == "/v1/traces"
        assert self.headers["content-type"] == "application/x-protobuf"
        body = self.rfile.read(size)
        self.server.answers.wait(60)
        if self.server.status == 200:
            self.server.take(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
        self.send_response(self.server.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_args: object) -> None:
        pass


def _plain(attributes: Any) -> Mapping[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    """Receive spans on a port of this host."""
    with OtlpReceiver() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.answers.set()
            server.shutdown()
            thread.join()
