"""The worker that consumes the queues."""

import logging
from collections.abc import Callable, Mapping

import dramatiq
from dramatiq.errors import Retry

from adapters.dramatiq_queue.messages import COMPLETIONS, EXECUTIONS
from application.errors import DependencyUnavailable
from application.log_context import outage_of

logger = logging.getLogger("service_server.queue")

# An idle thread looks so often whether it is to stop: stopping takes that long, and many threads would cost
# processor time. Messages wake it at once.
_IDLE_MS, _IDLE_MS_PER_THREAD = 200, 5


class QueueWorker:
    """Consumes the queues of a broker on threads of its own.

    * A wake-up whose handler fails is dropped: the reaper re-notifies as long as an execution waits.
    * A completion whose handler raises DependencyUnavailable is retried until it succeeds; any other
      exception dead-letters it.
    * A worker holds no more messages than it has threads: one held behind a long execution would be kept
      from other workers.

    Args:
        broker: The broker; it is used by one worker only.
        on_wake_up: Called for each wake-up, on several threads at once.
        on_completion: Called with the content of each completion, likewise.
    """

    def __init__(
        self,
        broker: dramatiq.Broker,
        on_wake_up: Callable[[], object],
        on_completion: Callable[[Mapping[str, object]], object],
        threads: int,
    ) -> None:
        self._on_wake_up = on_wake_up
        self._on_completion = on_completion
        for queue, consume in (EXECUTIONS, self._consume_wake_up), (COMPLETIONS, self._consume_completion):
            dramatiq.actor(broker=broker, actor_name=queue, queue_name=queue)(consume)
        idle_ms = max(_IDLE_MS, _IDLE_MS_PER_THREAD * threads)
        self._worker = dramatiq.Worker(broker, worker_timeout=idle_ms, worker_threads=threads)
        self._worker.queue_prefetch = threads

    def start(self) -> None:
        """Start consuming."""
        self._worker.start()

    def stop(self, timeout_s: float) -> bool:
        """Stop consuming, and wait for running handlers; return whether all of them ended in time.

        Prefetched messages are requeued.
        """
        for thread in self._worker.consumers.values():
            thread.stop()
        self._worker.stop(timeout=int(timeout_s * 1_000))
        return not any(thread.is_alive() for thread in self._worker.workers)

    def _consume_wake_up(self, **_content: object) -> None:
        try:
            self._on_wake_up()
        except DependencyUnavailable as error:
            logger.warning("a wake-up is dropped: %s", error, extra=outage_of(error))
        except Exception:  # Dramatiq would retry it, and the reaper wakes workers again anyway
            logger.exception("a wake-up is dropped")

    def _consume_completion(self, **content: object) -> None:
        try:
            self._on_completion(content)
        except DependencyUnavailable as error:
            logger.warning("a completion will be retried: %s", error, extra=outage_of(error))
            raise Retry(str(error)) from error
