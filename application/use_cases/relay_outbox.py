"""Command: publish the messages of the outbox."""

import logging
from collections.abc import Callable, Collection, Sequence
from threading import Lock
from uuid import UUID

from application.errors import DependencyUnavailable
from application.log_context import outage_of, working_in
from application.messages import Message
from application.ports.event_feed import EventFeed
from application.ports.tracing import SpanKind, Tracing
from application.ports.unit_of_work import UnitOfWork
from application.ports.work_queue import WorkQueue
from domain.events import BatchSubmitted, JobCancelled, JobCompleted, JobRetried, JobStarted, JobSubmitted
from domain.trace_context import TraceContext
from domain.values import BatchId, MessageId

logger = logging.getLogger("service_server.relay")

# Events that leave an execution waiting for a worker. Older versions stored them in the outbox, including
# under the last name.
_WAKING = frozenset({JobStarted.__name__, JobRetried.__name__, "ExecutionRequested"})
# Events without listeners: no client can follow a job that was just created.
_UNHEARD = frozenset({JobSubmitted.__name__})
_ENDING = frozenset({JobCompleted.__name__, JobCancelled.__name__})

# How many published messages are removed in one transaction, at the latest at the next sweep. After a crash
# before the removal they are published again.
_FORGET_EVERY = 100
_PUBLISHED_AGAIN = "published messages stay in the outbox and may be published a second time"


class RelayOutbox:
    """Publishes the events of commits, and removes them from the outbox.

    * Messages of this process's commits are passed in after the commit. A sweep of the outbox finds the stale
      ones, left by a crash or by an outage of the queue.
    * Workers are woken once for each event that leaves an execution waiting, and once per execution of a
      batch. Every event that can have a listener goes to the event feed.
    * A job's end may complete its batch.
    * Any number of processes may sweep at the same time: each reserves the messages that it fetches.
    * A message is published at least once, unless it may be lost, and sometimes twice.

    Args:
        stale_after_s: The age from which a message, or its reservation by a sweep, counts as abandoned.
        max_wake_ups: The maximum number of wake-ups for a batch. `RecoverOrphans` adds more while executions
            wait.
        batch: How many messages are swept at a time.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        work_queue: WorkQueue,
        event_feed: EventFeed,
        complete_batches: Callable[[Collection[BatchId]], object],
        stale_after_s: float,
        max_wake_ups: int,
        tracing: Tracing,
        batch: int = 200,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._work_queue = work_queue
        self._event_feed = event_feed
        self._complete_batches = complete_batches
        self._max_wake_ups = max_wake_ups
        self._stale_after_s = stale_after_s
        self._batch = batch
        self._tracing = tracing
        self._published: list[MessageId] = []
        self._lock = Lock()

    def __call__(self, messages: Sequence[Message]) -> None:
        """Publish messages of commits.

        A failure after the publication is logged: the messages stay in the outbox, and a sweep publishes
        them again.

        Raises:
            DependencyUnavailable: The queue is unavailable; messages that may not be lost stay in the outbox
                for a later sweep.
        """
        self._publish(messages)
        try:
            self._complete_ended_batches(messages)
            self._forget_later(messages)
        except DependencyUnavailable as error:
            logger.warning("%s: %s", _PUBLISHED_AGAIN, error, extra=outage_of(error))
        except Exception:  # the messages are published, so the caller must not report them as unpublished
            logger.exception(_PUBLISHED_AGAIN)

    def forget(self) -> None:
        """Remove the published messages from the outbox.

        Raises:
            DependencyUnavailable: They stay in the outbox and are published again.
        """
        with self._lock:
            published, self._published = self._published, []
        if published:
            self._remove(published)

    def sweep(self) -> int:
        """Publish all stale messages, in batches; return how many.

        Raises:
            DependencyUnavailable: The remaining messages stay in the outbox.
        """
        self.forget()
        total = 0
        while messages := self._unit_of_work.run(
            lambda transaction: transaction.outbox.fetch_stale(self._stale_after_s, self._batch)
        ):
            self._publish(messages)
            self._complete_ended_batches(messages)
            self._remove([message.id for message in messages])
            total += len(messages)
        return total

    def _forget_later(self, messages: Sequence[Message]) -> None:
        with self._lock:
            self._published += [message.id for message in messages if not message.may_be_lost]
            is_due = len(self._published) >= _FORGET_EVERY
        if is_due:
            self.forget()

    def _remove(self, published: Collection[MessageId]) -> None:
        self._unit_of_work.run(lambda transaction: transaction.outbox.remove(published))

    def _publish(self, messages: Sequence[Message]) -> None:
        waiting = sum(map(self._wake_ups, messages))
        try:
            if waiting:
                self._wake(waiting, [message.trace for message in messages if self._wake_ups(message)])
        finally:
            if heard := [message for message in messages if message.name not in _UNHEARD]:
                self._event_feed.publish(heard)

    def _complete_ended_batches(self, messages: Sequence[Message]) -> None:
        in_batches = [message.body.get("batch_id") for message in messages if message.name in _ENDING]
        if ended := {BatchId(UUID(batch_id)) for batch_id in in_batches if batch_id is not None}:
            self._complete_batches(sorted(ended))

    def _wake(self, count: int, traces: Sequence[TraceContext | None]) -> None:
        """Wake workers in the trace of the first request that needs them, linked to the other traces."""
        known = [trace for trace in traces if trace is not None]
        attributes = {"service_server.wake_ups": count}
        with (
            working_in(known[0] if known else None),
            self._tracing.span("wake workers", attributes, kind=SpanKind.PRODUCER, links=known[1:]),
        ):
            self._work_queue.wake(count)

    def _wake_ups(self, message: Message) -> int:
        if message.name == BatchSubmitted.__name__:
            return min(int(message.body["executions"]), self._max_wake_ups)
        return int(message.name in _WAKING and not message.body.get("delay_s"))
