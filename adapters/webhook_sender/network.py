"""Connections to receivers, with names resolved once and pinned, and limits on time and size."""

import logging
import socket
import ssl
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import Any

import httpcore

from adapters.common.addresses import connect_to_any
from application.ports.webhook_sender import PostFailed
from domain.network_address import IpAddress, is_public, parse_address

logger = logging.getLogger("service_server.webhooks")

# The maximum number of threads that wait for the system's resolver. DNS servers may be slow, and the resolver
# cannot be interrupted, so a thread may outlive its request.
RESOLVING_AT_ONCE = 64
# The size of one TLS record; each write gets the remaining time as its timeout.
_WRITTEN_AT_ONCE = 16 << 10


class Deadline:
    """The deadline of a whole request."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = monotonic() + seconds

    def left_s(self) -> float:
        """Return the seconds that remain.

        Raises:
            httpcore.TimeoutException: The deadline has passed.
        """
        left_s = self._ends_at - monotonic()
        if left_s <= 0:
            raise httpcore.TimeoutException
        return left_s


class AnswerCutOff(Exception):
    """The answer exceeds the size limit."""


class Resolver:
    """Resolves names within a deadline, by the system's resolver on threads that may outlive it."""

    def __init__(self) -> None:
        self._resolving = BoundedSemaphore(RESOLVING_AT_ONCE)

    def __call__(self, host: str, port: int, deadline: Deadline) -> Sequence[IpAddress]:
        """Return the addresses of a host; none if it cannot be resolved.

        Raises:
            httpcore.TimeoutException: The deadline has passed.
        """
        if (address := parse_address(host)) is not None:
            return [address]
        if not self._resolving.acquire(timeout=deadline.left_s()):
            raise httpcore.TimeoutException
        answers: SimpleQueue[list[IpAddress]] = SimpleQueue()
        try:
            Thread(target=self._look_up, args=(host, port, answers), name="resolve", daemon=True).start()
        except BaseException:  # no thread will release it
            self._resolving.release()
            raise
        try:
            return answers.get(timeout=deadline.left_s())
        except Empty:
            raise httpcore.TimeoutException from None

    def _look_up(self, host: str, port: int, answers: SimpleQueue[list[IpAddress]]) -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(list(dict.fromkeys(ip_address(entry[4][0]) for entry in found)))
        except (OSError, ValueError):  # includes UnicodeError, for a label that is too long
            answers.put([])
        finally:
            self._resolving.release()


class PinnedBackend(httpcore.SyncBackend):
    """Opens the connection of one request, to the addresses to which the name resolved the first time.

    Args:
        resolve: Returns the addresses of a host.
        deadline: The deadline of the request.
        max_bytes: The maximum that is read.
        allows_private: Whether non-public addresses are allowed.
    """

    def __init__(
        self, resolve: Resolver, deadline: Deadline, max_bytes: int, *, allows_private: bool
    ) -> None:
        self._resolve = resolve
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._allows_private = allows_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline bounds it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the host's addresses that accepts; refuse if any address is not allowed.

        A name that cannot be resolved is refused in the same words, so that a caller cannot find out which
        names the service's network has. The log distinguishes them.
        """
        addresses = self._resolve(host, port, self._deadline)
        is_refused = not self._allows_private and not all(map(is_public, addresses))
        if is_refused or not addresses:
            cause = "resolves to an address that is not public" if is_refused else "cannot be resolved"
            logger.info("receiver refused: '%s' %s", host, cause)
            raise PostFailed(
                f"The name '{host}' cannot be resolved."
                if self._allows_private
                else f"'{host}' cannot be resolved, or resolves to an address that is not public "
                "(SERVICE_SERVER_WEBHOOK_ALLOW_PRIVATE=true allows that)."
            )
        return connect_to_any(
            addresses,
            self._deadline.left_s,
            lambda address, within_s: self._connect(address, port, within_s, local_address, socket_options),
        )

    def _connect(
        self,
        address: IpAddress,
        port: int,
        within_s: float,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.NetworkStream:
        stream = super().connect_tcp(str(address), port, within_s, local_address, socket_options)
        return BoundedStream(stream, self._deadline, self._max_bytes)


class BoundedStream(httpcore.NetworkStream):
    """A connection with a deadline, and a limit on the bytes read from it."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline, max_bytes: int) -> None:
        self._stream = stream
        self._deadline = deadline
        self._left_bytes = max_bytes

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - the deadline bounds it
        """Read the available bytes, or wait for some until the deadline.

        Raises:
            AnswerCutOff: The size limit is reached.
        """
        if not self._left_bytes:
            raise AnswerCutOff
        data = self._stream.read(min(max_bytes, self._left_bytes), self._deadline.left_s())
        self._left_bytes -= len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - the deadline bounds it
        """Send bytes until the deadline."""
        for start in range(0, len(buffer), _WRITTEN_AT_ONCE):
            self._stream.write(buffer[start : start + _WRITTEN_AT_ONCE], self._deadline.left_s())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - the deadline bounds it
    ) -> httpcore.NetworkStream:
        """Switch to TLS, and verify the certificate for the host's name."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left_s())
        return BoundedStream(stream, self._deadline, self._left_bytes)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - the interface's own type
        """Return a property of the connection."""
        return self._stream.get_extra_info(info)
