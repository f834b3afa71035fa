"""The threads that post events to webhooks."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Condition
from time import monotonic
from uuid import UUID

from adapters.common.background import BackgroundThread
from application.errors import DependencyUnavailable
from application.messages import Message
from application.use_cases.deliver_webhooks import DeliverWebhooks
from application.webhook_writer import WebhookWriter
from domain.delivery import Delivery

logger = logging.getLogger("service_server.webhooks")

# Interval at which the dispatcher looks for events of other processes and for attempts that are due again.
_POLL_S = 1.0


def _nothing() -> None:
    pass


class WebhookDispatcher:
    """Claims deliveries that are due, and posts them on its own threads.

    It claims only as many as it has free threads, so that other processes can claim the rest. Threads are
    started on demand.

    Args:
        threads: The number of events that are posted at once.
    """

    def __init__(self, deliver: DeliverWebhooks, writer: WebhookWriter, threads: int) -> None:
        self._deliver = deliver
        self._writer = writer
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="webhook")
        self._claiming = BackgroundThread("webhooks", self._step, wake=self.wake)
        self._changed = Condition()
        self._in_flight = 0
        self._is_awake = False
        self._next_s = monotonic()

    def start(self) -> None:
        """Start to claim deliveries."""
        self._executor.submit(_nothing)  # the first thread, which posts everything if no other can be started
        self._claiming.start()

    def stop(self) -> None:
        """Claim no more deliveries, and wait for the current attempts, which take seconds."""
        self._claiming.stop()
        self._executor.shutdown()

    def wake(self) -> None:
        """Look for deliveries at once."""
        with self._changed:
            self._is_awake = True
            self._changed.notify()

    def notice(self, messages: Iterable[Message]) -> None:
        """Look for deliveries at once if this process has stored one for a subject of the messages."""
        named = (message.body.get(name) for message in messages for name in ("job_id", "batch_id"))
        subjects = {UUID(subject) for subject in named if subject is not None}
        if [subject for subject in subjects if self._writer.take_noted(subject)]:
            self.wake()

    def _step(self) -> None:
        free = self._wait_until_due()
        if not free or self._claiming.is_stopping:
            return
        claimed = self._deliver.claim(free)
        with self._changed:
            self._in_flight += len(claimed)
            self._is_awake = self._is_awake or bool(claimed)
        for delivery in claimed:
            self._submit(delivery)

    def _submit(self, delivery: Delivery) -> None:
        try:
            self._executor.submit(self._post, delivery)
        except RuntimeError as error:  # it is queued nevertheless
            logger.warning("delivery %s waits for a thread: %s", delivery.id, error)

    def _wait_until_due(self) -> int:
        """Wait until a thread is free and a delivery may be due; return the number of free threads."""
        with self._changed:
            while not self._claiming.is_stopping:
                left_s = self._next_s - monotonic()
                free = self._threads - self._in_flight
                if free and (self._is_awake or left_s <= 0):
                    self._is_awake, self._next_s = False, monotonic() + _POLL_S
                    return free
                self._changed.wait(left_s if free else None)
            return 0

    def _post(self, delivery: Delivery) -> None:
        due_in_s: float | None = None
        try:
            due_in_s = self._deliver(delivery)
        except DependencyUnavailable as error:
            logger.warning("delivery %s will be retried when its lease expires: %s", delivery.id, error)
        except Exception:  # no caller sees the outcome of this thread
            logger.exception("delivery %s will be retried when its lease expires", delivery.id)
        with self._changed:
            self._in_flight -= 1
            # Deliveries that waited for this one or for its thread may be due.
            self._is_awake = True
            if due_in_s is not None:
                self._next_s = min(self._next_s, monotonic() + due_in_s)
            self._changed.notify()
