"""Network streams that enforce the deadline of the current request.

The timeouts of an HTTP client apply to each read: a peer that sends a byte now and then never exceeds them.
Here each wait gets the time that remains until the deadline, and ends at once when the request is stopped.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import Any

import httpcore

from adapters.common.addresses import connect_to_any
from adapters.http_engine.request_deadline import DeadlineExceeded, RequestDeadline

_current: ContextVar[RequestDeadline] = ContextVar("service_server_request_deadline")


@contextmanager
def bound_to(deadline: RequestDeadline) -> Iterator[None]:
    """Apply a deadline to the network streams that this thread uses."""
    token = _current.set(deadline)
    try:
        yield
    finally:
        _current.reset(token)


class DeadlineStream(httpcore.NetworkStream):
    """A pooled connection, which serves one request after another."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline bounds it
        """Read the available bytes, or wait for some until the deadline."""
        with self._waiting() as left_s:
            data = self._stream.read(max_bytes, left_s)
        if not data:
            _current.get().left_s()  # a request that was stopped reads the end of the stream
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Send bytes until the deadline."""
        if buffer:
            _current.get().begin_sending()
            with self._waiting() as left_s:
                self._stream.write(buffer, left_s)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Switch to TLS."""
        left_s = _current.get().left_s()
        return DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, min(timeout or left_s, left_s))
        )

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface's own type
        """Return a property of the connection."""
        return self._stream.get_extra_info(info)

    @contextmanager
    def _waiting(self) -> Iterator[float]:
        deadline = _current.get()
        try:
            with deadline.waiting_on(self._stream.get_extra_info("socket")) as left_s:
                yield left_s
        except httpcore.TimeoutException as error:
            raise DeadlineExceeded from error
        except httpcore.NetworkError:
            deadline.left_s()  # the connection of a stopped request may fail
            raise


class DeadlineBackend(httpcore.SyncBackend):
    """Opens connections within the deadlines of the requests that need them.

    The system's resolver resolves names. It has its own timeouts and cannot be interrupted.
    """

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to one of the host's addresses, within the shorter of `timeout` and the remaining time."""
        connect = super().connect_tcp
        deadline = _current.get()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        ends_at = monotonic() + (timeout or inf)

        def left_s() -> float:
            if (left := min(ends_at - monotonic(), deadline.left_s())) <= 0:
                raise httpcore.ConnectTimeout
            return left

        stream = connect_to_any(
            list(dict.fromkeys(str(address[0]) for *_, address in found)),
            left_s,
            lambda address, within_s: connect(address, port, within_s, local_address, socket_options),
        )
        return DeadlineStream(stream)
