"""Event feed between the threads of this process."""

import logging
from collections.abc import Callable, Sequence
from threading import Lock

from application.messages import Message
from application.ports.event_feed import EventFeed, Listener

logger = logging.getLogger("service_server.event_feed")


class InProcessEventFeed(EventFeed):
    """Calls every listener on the publisher's thread. Errors of listeners are logged."""

    def __init__(self) -> None:
        # Replaced, never changed, so that publishers can iterate over it without a lock.
        self._listeners: tuple[Listener, ...] = ()
        self._lock = Lock()

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Call the listeners of this process."""
        for listener in self._listeners:
            for message in messages:
                _call(listener, message)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every message from now on; return a function that unsubscribes it."""

        def once(message: Message) -> None:
            listener(message)

        with self._lock:
            self._listeners = (*self._listeners, once)
        return lambda: self._remove(once)

    def _remove(self, removed: Listener) -> None:
        with self._lock:
            self._listeners = tuple(listener for listener in self._listeners if listener is not removed)


def _call(listener: Listener, message: Message) -> None:
    try:
        listener(message)
    except Exception:  # must not affect other listeners
        logger.exception("a listener failed on %s", message.name)
