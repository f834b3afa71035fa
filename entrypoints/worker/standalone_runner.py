"""The worker of a single command, which runs only the executions that this process requests."""

import logging
import time
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from threading import Thread

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.messages import Message
from application.ports.event_feed import EventFeed
from domain.events import BatchSubmitted, JobRetried, JobStarted
from domain.values import BatchId, ExecutionId, parse_batch_id, parse_execution_id

logger = logging.getLogger("service_server.worker")

_REQUESTING = frozenset({JobStarted.__name__, JobRetried.__name__})


class StandaloneRunner:
    """Runs the executions that this process requests, but none that waited before.

    It listens to the events of its own process, because a wake-up would make it claim any execution.

    Args:
        event_feed: The event feed of this process.
        run: Runs an execution to its end.
        of_batch: Returns the executions that a batch requested.
        threads: The number of executions that run at once.
    """

    def __init__(
        self,
        event_feed: EventFeed,
        run: Callable[[ExecutionId], None],
        of_batch: Callable[[BatchId], Iterable[ExecutionId]],
        threads: int,
    ) -> None:
        self._event_feed = event_feed
        self._run = run
        self._of_batch = of_batch
        self._requested: SimpleQueue[ExecutionId | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._run_requested, name=f"standalone-runner-{number}", daemon=True)
            for number in range(threads)
        ]
        self._is_stopping = False

    def start(self) -> None:
        """Start to listen for executions."""
        for thread in self._threads:
            thread.start()
        self._unsubscribe = self._event_feed.subscribe(self._hear)

    def stop(self, timeout_s: float) -> bool:
        """Start no more executions and wait for the running ones; return whether all ended in time."""
        self._unsubscribe()
        self._is_stopping = True
        for _ in self._threads:
            self._requested.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _hear(self, message: Message) -> None:
        if message.name == BatchSubmitted.__name__:
            for execution_id in self._of_batch(parse_batch_id(message.body["batch_id"])):
                self._requested.put(execution_id)
        elif message.name in _REQUESTING:
            self._requested.put(parse_execution_id(message.body["execution_id"]))

    def _run_requested(self) -> None:
        while (execution_id := self._requested.get()) is not None and not self._is_stopping:
            self._try(execution_id)

    def _try(self, execution_id: ExecutionId) -> None:
        try:
            self._run(execution_id)
        except DependencyUnavailable as error:
            logger.warning("execution %s is deferred: %s", execution_id, error, extra=outage_of(error))
        except Exception:  # no caller sees the outcome of this thread
            logger.exception("execution %s failed to run", execution_id)
