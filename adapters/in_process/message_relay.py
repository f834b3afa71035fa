"""Relays that publish the messages of this process's commits."""

import logging
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from adapters.common.background import BackgroundThread
from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.messages import Message
from application.ports.message_relay import MessageRelay

logger = logging.getLogger("service_server.relay")

_BACKLOG = 10_000
_BATCH = 200


class ImmediateMessageRelay(MessageRelay):
    """Publishes the messages of a commit on the committing thread, for an in-process queue and feed.

    If messages cannot be published, the sweep later publishes the ones that must not be lost from the outbox.
    """

    def __init__(self) -> None:
        self._relay: Callable[[Sequence[Message]], None] | None = None

    def offer(self, messages: Sequence[Message]) -> None:
        """Publish messages; discard them before `start` and after `stop`."""
        relay = self._relay
        if relay is not None:
            _pass_on(relay, messages)

    def start(self, relay: Callable[[Sequence[Message]], None]) -> None:
        """Start passing messages to `relay`."""
        self._relay = relay

    def stop(self) -> None:
        """Stop publishing."""
        self._relay = None


class BackgroundMessageRelay(MessageRelay):
    """Publishes the messages of this process's commits at once, on a dedicated thread.

    An external queue or feed may not answer, and the caller of a commit must not wait for them.

    If messages cannot be published or the backlog is full, the sweep later publishes the ones that must not
    be lost from the outbox.
    """

    def __init__(self) -> None:
        self._backlog: SimpleQueue[Message | None] = SimpleQueue()
        self._thread: BackgroundThread | None = None
        self._relay: Callable[[Sequence[Message]], None]

    def offer(self, messages: Sequence[Message]) -> None:
        """Enqueue messages; discard them before `start` and after `stop`."""
        if self._thread is None:
            return
        for message in messages[: max(_BACKLOG - self._backlog.qsize(), 0)]:
            self._backlog.put(message)

    def start(self, relay: Callable[[Sequence[Message]], None]) -> None:
        """Start passing messages to `relay`, in batches if several are queued."""
        self._relay = relay
        self._thread = BackgroundThread("outbox-relay", self._step, wake=self._wake)
        self._thread.start()

    def stop(self) -> None:
        """Pass on the queued messages, and stop."""
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
            while batch := self._more():
                _pass_on(self._relay, batch)

    def _wake(self) -> None:
        self._backlog.put(None)

    def _step(self) -> None:
        first = self._backlog.get()
        if first is not None:
            _pass_on(self._relay, [first, *self._more()])

    def _more(self) -> list[Message]:
        """Return the queued messages, up to the size of a batch."""
        batch: list[Message] = []
        while len(batch) < _BATCH - 1:
            try:
                message = self._backlog.get_nowait()
            except Empty:
                break
            if message is not None:
                batch.append(message)
        return batch


def _pass_on(relay: Callable[[Sequence[Message]], None], batch: Sequence[Message]) -> None:
    try:
        relay(batch)
    except DependencyUnavailable as error:
        logger.warning("%s: %s", _unpublished(batch), error, extra=outage_of(error))
    except Exception:  # a sweep publishes the stored ones later, and others make up for the rest
        logger.exception(_unpublished(batch))


def _unpublished(batch: Sequence[Message]) -> str:
    lost = sum(message.may_be_lost for message in batch)
    return f"messages not published: {len(batch) - lost} stay in the outbox, {lost} are dropped"
