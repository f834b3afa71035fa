"""The time that all requests about one execution have together, and their end by another thread."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock
from time import monotonic


class RequestStopped(Exception):
    """Another thread has stopped the requests."""


class DeadlineExceeded(Exception):
    """The requests have used up their time."""


def _nothing(_is_first: bool) -> None:  # noqa: FBT001 - never passed by name
    pass


class RequestDeadline:
    """A deadline over one or more requests in a row, and the handle to stop them from another thread.

    One thread sends the requests; any thread may stop them.

    Args:
        timeout_s: Seconds that the requests may take together, from now.
        before_sending: Called on the sending thread before the first byte of each request leaves, with True
            for the first request.

    Attributes:
        has_sent: Whether a byte of the present request may have left.
        has_begun: Whether a byte of any request may have left.
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
        """Return the seconds that are left, always more than zero.

        Raises:
            RequestStopped: The requests were stopped.
            DeadlineExceeded: There are none.
        """
        if self._stopped.is_set():
            raise RequestStopped
        left = self._timeout_s - self.elapsed_s
        if left <= 0:
            raise DeadlineExceeded
        return left

    def begin_request(self) -> None:
        """Note that another request begins, of which no byte has left."""
        self.has_sent = False

    def begin_sending(self) -> None:
        """Note that bytes of the present request are about to leave."""
        if not self.has_sent:
            is_first, self.has_begun = not self.has_begun, True
            self._before_sending(is_first)
            self.left_s()
            self.has_sent = True

    def pause(self, seconds: float) -> bool:
        """Wait; return False at once if the time would be up before the end of it.

        Raises:
            RequestStopped: The requests were stopped.
        """
        if self._timeout_s - self.elapsed_s <= seconds:
            return False
        if self._stopped.wait(seconds):
            raise RequestStopped
        return True

    def stop(self) -> None:
        """End the present request at once, and have every later step raise RequestStopped."""
        self._stopped.set()
        with self._lock:
            if self._socket is not None:
                _shut_down(self._socket)

    @contextmanager
    def waiting_on(self, sock: socket.socket) -> Iterator[float]:
        """Let `stop` reach the socket that the sending thread is about to wait on; give the seconds left.

        The socket is given up before its thread goes on, so `stop` never meets one that was closed, whose
        number another connection may bear by then.
        """
        with self._lock:
            self._socket = sock
        try:
            yield self.left_s()
        finally:
            with self._lock:
                self._socket = None


def _shut_down(sock: socket.socket) -> None:
    with suppress(OSError):  # the other side was quicker
        # Not SSLSocket's own method: it takes the TLS object away from the thread that is reading with it.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
