"""A deadline shared by all requests of one execution, which another thread can stop."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock
from time import monotonic


class RequestStopped(Exception):
    """Another thread has stopped the requests."""


class DeadlineExceeded(Exception):
    """The deadline of the requests has passed."""


def _nothing(_is_first: bool) -> None:  # noqa: FBT001 - never passed by name
    pass


class RequestDeadline:
    """A deadline for one or more successive requests, and a handle to stop them from another thread.

    One thread sends the requests; any thread may stop them.

    Args:
        timeout_s: Seconds that all requests together may take, from now.
        before_sending: Called on the sending thread before the first byte of each request is sent; its
            argument is True for the first request.

    Attributes:
        has_sent: Whether a byte of the current request may have been sent.
        has_begun: Whether a byte of any request may have been sent.
    """

    def __init__(self, timeout_s: float, before_sending: Callable[[bool], None] = _nothing) -> None:
        self._began = monotonic()
        self._timeout_s = timeout_s
        self._before_sending = before_sending
        self._stopped = Event()
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self.has_sent = False
        self.has_begun = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the deadline was set."""
        return monotonic() - self._began

    def left_s(self) -> float:
        """Return the seconds that remain, always more than zero.

        Raises:
            RequestStopped: The requests were stopped.
            DeadlineExceeded: The deadline has passed.
        """
        if self._stopped.is_set():
            raise RequestStopped
        left = self._timeout_s - self.elapsed_s
        if left <= 0:
            raise DeadlineExceeded
        return left

    def begin_request(self) -> None:
        """Record that a new request begins and nothing of it has been sent."""
        self.has_sent = False

    def begin_sending(self) -> None:
        """Record that bytes of the current request are about to be sent."""
        if not self.has_sent:
            is_first, self.has_begun = not self.has_begun, True
            self._before_sending(is_first)
            self.left_s()
            self.has_sent = True

    def pause(self, seconds: float) -> bool:
        """Wait for `seconds`; return False at once if the deadline would pass meanwhile.

        Raises:
            RequestStopped: The requests were stopped.
        """
        if self._timeout_s - self.elapsed_s <= seconds:
            return False
        if self._stopped.wait(seconds):
            raise RequestStopped
        return True

    def stop(self) -> None:
        """End the current request at once, and make every later step raise RequestStopped."""
        self._stopped.set()
        with self._lock:
            if self._socket is not None:
                _shut_down(self._socket)

    @contextmanager
    def waiting_on(self, sock: socket.socket) -> Iterator[float]:
        """Register the socket that the sending thread waits on, and yield the seconds left.

        `stop` shuts the registered socket down. The socket is unregistered before the sending thread
        continues, so that `stop` never reaches a closed socket, whose file descriptor another connection may
        have by then.
        """
        with self._lock:
            self._socket = sock
        try:
            yield self.left_s()
        finally:
            with self._lock:
                self._socket = None


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # the peer has already closed the connection
        # Not SSLSocket.shutdown: it removes the TLS object that the reading thread still uses.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
