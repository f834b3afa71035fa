"""The worker of a single command, which runs only the executions that this process requests."""

import logging
import time
from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread
from typing import NamedTuple

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.messages import Message
from application.ports.event_feed import EventFeed
from application.retry_policy import RetryPolicy
from domain.events import BatchSubmitted, JobRetried, JobStarted
from domain.values import BatchId, ExecutionId, parse_batch_id, parse_execution_id

logger = logging.getLogger("service_server.worker")

_REQUESTING = frozenset({JobStarted.__name__, JobRetried.__name__})
# No reaper in this process would find these executions again, so they are retried until it stops.
_RETRY = RetryPolicy.exponential(0.2, 2.0)


class _Task(NamedTuple):
    """Work for a runner thread, and its subject in the log."""

    subject: str
    action: Callable[[], None]


class StandaloneRunner:
    """Runs the executions that this process requests, but none that waited before.

    It listens to the events of its own process, because a wake-up would make it claim any execution.

    Args:
        event_feed: The event feed of this process.
        run: Runs an execution to its end, and pauses between attempts with the given function.
        of_batch: Returns the executions that a batch requested.
        threads: The number of executions that run at once.
        retry: The endless delays before an execution or a batch is retried after an outage.
    """

    def __init__(
        self,
        event_feed: EventFeed,
        run: Callable[[ExecutionId, Callable[[float], bool]], None],
        of_batch: Callable[[BatchId], Iterable[ExecutionId]],
        threads: int,
        retry: RetryPolicy = _RETRY,
    ) -> None:
        self._event_feed = event_feed
        self._run = run
        self._of_batch = of_batch
        self._retry = retry
        self._requested: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._run_requested, name=f"standalone-runner-{number}", daemon=True)
            for number in range(threads)
        ]
        self._stopping = Event()

    def start(self) -> None:
        """Start to listen for executions."""
        for thread in self._threads:
            thread.start()
        self._unsubscribe = self._event_feed.subscribe(self._hear)

    def stop(self, timeout_s: float) -> bool:
        """Start no more executions and wait for the running ones; return whether all ended in time."""
        self._unsubscribe()
        self._stopping.set()
        for _ in self._threads:
            self._requested.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _hear(self, message: Message) -> None:
        if message.name == BatchSubmitted.__name__:
            batch_id = parse_batch_id(message.body["batch_id"])
            self._requested.put(_Task(f"batch {batch_id}", partial(self._request_batch, batch_id)))
        elif message.name in _REQUESTING:
            self._request(parse_execution_id(message.body["execution_id"]))

    def _request(self, execution_id: ExecutionId) -> None:
        self._requested.put(
            _Task(f"execution {execution_id}", partial(self._run, execution_id, self._stopping.wait))
        )

    def _request_batch(self, batch_id: BatchId) -> None:
        for execution_id in self._of_batch(batch_id):
            self._request(execution_id)

    def _run_requested(self) -> None:
        while (task := self._requested.get()) is not None and not self._stopping.is_set():
            for delay_s in self._retry.delays():
                if self._try(task, delay_s) or self._stopping.wait(delay_s):
                    break

    def _try(self, task: _Task, retry_in_s: float) -> bool:
        """Perform a task; return whether it is done, because it succeeded or because a retry cannot help."""
        try:
            task.action()
        except DependencyUnavailable as error:
            logger.warning(
                "%s is deferred: %s; retrying in %.1f s",
                task.subject,
                error,
                retry_in_s,
                extra=outage_of(error),
            )
            return False
        except Exception:  # no caller sees the outcome of this thread
            logger.exception("%s failed to run", task.subject)
        return True
