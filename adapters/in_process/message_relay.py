import logging
from collections.abc import Callable, Sequence
from queue import Empty, Full, Queue
from threading import Thread

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.messages import Message
from application.ports.message_relay import MessageRelay

logger = logging.getLogger("service_server.relay")

_BACKLOG = 10_000
_BATCH = 200


class InProcessMessageRelay(MessageRelay):
    """Publishes the messages of this process's commits on a thread of its own, the moment they come.

    What cannot be published, or comes while the backlog is full, stays in the outbox for the sweep.
    """

    def __init__(self) -> None:
        self._backlog: Queue[Message | None] = Queue(_BACKLOG)
        self._thread: Thread | None = None

    def offer(self, messages: Sequence[Message]) -> None:
        """Take messages; before `start` and after `stop` they are left to the sweep."""
        if self._thread is None:
            return
        for message in messages:
            try:
                self._backlog.put_nowait(message)
            except Full:
                return

    def start(self, relay: Callable[[Sequence[Message]], None]) -> None:
        """Begin to pass messages to `relay`, several at a time when several have come."""
        self._thread = Thread(target=self._run, args=(relay,), name="outbox-relay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Pass on what has come by now, and end."""
        if self._thread is not None:
            self._backlog.put(None)
            self._thread.join()
            self._thread = None

    def _run(self, relay: Callable[[Sequence[Message]], None]) -> None:
        while (first := self._backlog.get()) is not None:
            batch, is_last = self._more(first)
            try:
                relay(batch)
            except DependencyUnavailable as error:
                logger.warning(
                    "%d messages stay in the outbox: %s", len(batch), error, extra=outage_of(error)
                )
            except Exception:  # the thread must outlive a bug: without it every job waits for a sweep
                logger.exception("%d messages stay in the outbox", len(batch))
            if is_last:
                return

    def _more(self, first: Message) -> tuple[list[Message], bool]:
        batch = [first]
        while len(batch) < _BATCH:
            try:
                message = self._backlog.get_nowait()
            except Empty:
                break
            if message is None:
                return batch, True
            batch.append(message)
        return batch, False
