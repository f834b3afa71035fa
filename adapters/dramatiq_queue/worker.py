"""The worker that consumes the completions queue."""

import logging
from collections.abc import Callable, Mapping

import dramatiq
from dramatiq.errors import Retry

from adapters.dramatiq_queue.messages import COMPLETIONS
from application.errors import DependencyUnavailable
from application.log_context import outage_of

logger = logging.getLogger("service_server.queue")

# Interval in milliseconds at which an idle thread checks whether to stop. A message wakes a thread at once.
_IDLE_MS = 500


class CompletionWorker:
    """Consumes the completions queue on dedicated threads.

    * If the handler of a completion raises DependencyUnavailable, the completion is retried until it
      succeeds. After any other exception, it is dead-lettered.
    * A worker holds no more messages than it has threads, so that it does not keep messages from other
      workers.

    Args:
        broker: The broker, used by this worker only.
        on_completion: Called with the content of each completion, concurrently on several threads.
    """

    def __init__(
        self, broker: dramatiq.Broker, on_completion: Callable[[Mapping[str, object]], object], threads: int
    ) -> None:
        self._on_completion = on_completion
        dramatiq.actor(broker=broker, actor_name=COMPLETIONS, queue_name=COMPLETIONS)(self._consume)
        self._worker = dramatiq.Worker(broker, worker_timeout=_IDLE_MS, worker_threads=threads)
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

    def _consume(self, **content: object) -> None:
        try:
            self._on_completion(content)
        except DependencyUnavailable as error:
            logger.warning("a completion will be retried: %s", error, extra=outage_of(error))
            raise Retry(str(error)) from error
