"""Network streams that keep to the deadline of the call they serve.

The time-outs of an HTTP client are for one read each: a peer that sends a byte now and then is never late.
Here each wait gets what is left of the whole call, and ends at once when the call is stopped.
"""

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import httpcore

from adapters.http_engine.call import Call, DeadlinePassed

_current_call: ContextVar[Call] = ContextVar("service_server_engine_call")


@contextmanager
def serving(call: Call) -> Iterator[None]:
    """Bind the network streams that this thread uses to a call."""
    token = _current_call.set(call)
    try:
        yield
    finally:
        _current_call.reset(token)


class CallStream(httpcore.NetworkStream):
    """A connection, lent by the pool to one call after another."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the call's rules
        """Read what has come, or wait for it while the call has time."""
        with self._waiting() as left_s:
            data = self._stream.read(max_bytes, left_s)
        if not data:
            _current_call.get().left_s()  # a stopped call reads the end of the stream
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the call's rules
        """Send bytes while the call has time."""
        if buffer:
            _current_call.get().begin_sending()
            with self._waiting() as left_s:
                self._stream.write(buffer, left_s)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Go on in TLS."""
        left_s = _current_call.get().left_s()
        return CallStream(
            self._stream.start_tls(ssl_context, server_hostname, min(timeout or left_s, left_s))
        )

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface's own type
        """Return what the connection knows of itself."""
        return self._stream.get_extra_info(info)

    @contextmanager
    def _waiting(self) -> Iterator[float]:
        call = _current_call.get()
        try:
            with call.waiting_on(self._stream.get_extra_info("socket")) as left_s:
                yield left_s
        except httpcore.TimeoutException as error:
            raise DeadlinePassed from error
        except httpcore.NetworkError:
            call.left_s()  # a stopped call may see its connection fail
            raise


class CallBackend(httpcore.SyncBackend):
    """Opens connections for calls.

    Names are resolved by the system, whose resolver has time-outs of its own and cannot be interrupted.
    """

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect within the shorter of `timeout` and what is left of the call."""
        left_s = _current_call.get().left_s()
        within_s = min(timeout or left_s, left_s)
        return CallStream(super().connect_tcp(host, port, within_s, local_address, socket_options))
