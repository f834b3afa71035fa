import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import Enum, auto
from typing import Protocol, runtime_checkable
from uuid import UUID

from adapters.common.background import PeriodicTask
from application.errors import DependencyUnavailable
from application.messages import Message
from domain.values import ExecutionId, JobId
from entrypoints.container import Container
from entrypoints.worker.handlers import Handler, guest_handlers, worker_handlers

logger = logging.getLogger("service_server.worker")

# How long what is released may take to be stopped and given back. An engine that is told answers in two.
_RELEASE_S = 4.5
_STOPPING_THREADS = 16


# How often results that wait for the log store are tried: that is how soon they end when it is back.
_STORE_KEPT_EVERY_S = 1.0
# The processed messages of a day are forgotten in small portions.
_FORGET_PROCESSED_EVERY_S = 3_600.0


class QueueWorker(Protocol):
    """Takes messages from a queue and gives them to their handlers."""

    def start(self) -> None:
        """Begin to take messages."""

    def stop(self, timeout_s: float) -> bool:
        """Take no more, and wait for those in hand."""


@runtime_checkable
class Background(Protocol):
    """A part that does something between its start and its stop, beside being called."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and let go of everything."""


class Work(Enum):
    """How much of the work that waits a process takes upon itself."""

    NONE = auto()  # it answers callers, and others do the work
    OWN = auto()  # it runs what it asked for itself: a guest beside those who serve the same database
    ALL = auto()  # it runs whatever waits, and looks after what others lost


class Runtime:
    """Everything that runs behind the API in one process, started and stopped together."""

    def __init__(self, container: Container, work: Work) -> None:
        self._container = container
        self._work = work
        self._stopping = ThreadPoolExecutor(_STOPPING_THREADS, thread_name_prefix="stop-execution")
        parts = (
            container.event_feed(),
            container.output_feed(),
            container.cluster_metrics(),
            container.engine(),
        )
        self._background = [part for part in parts if isinstance(part, Background)]
        self._queue_worker = None if work is Work.NONE else container.queue_worker(handlers=self._handlers())
        self._loops = [PeriodicTask(name, action, every_s) for name, action, every_s in self._chores()]

    def start(self) -> None:
        """Start it all; what waits from before is taken up at once. An embedded database is migrated."""
        container = self._container
        if container.settings().rds_host is None:
            container.migrate_up()
        container.message_relay().start(container.relay_outbox())
        for part in self._background:
            self._start(part)
        self._unsubscribe = container.event_feed().subscribe(self._stop_cancelled)
        if self._queue_worker is not None:
            self._queue_worker.start()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Stop taking work, let what runs end within the drain time, give the rest back, and close."""
        container = self._container
        if self._queue_worker is not None:
            self._drain(self._queue_worker)
        self._unsubscribe()
        for loop in self._loops:
            loop.interrupt()
        for loop in self._loops:
            loop.stop()
        self._release()
        self._stopping.shutdown(wait=False, cancel_futures=True)
        container.message_relay().stop()
        self._forget_published()
        for part in reversed(self._background):
            part.stop()
        container.broker().close()
        container.database().dispose()

    def _forget_published(self) -> None:
        try:
            self._container.relay_outbox().forget()
        except DependencyUnavailable as error:
            logger.warning("what was published will be published once more: %s", error)

    def _start(self, part: Background) -> None:
        try:
            part.start()
        except DependencyUnavailable as error:
            if self._work is not Work.NONE:
                raise
            logger.warning("%s; what runs programs may be elsewhere", error)

    def _handlers(self) -> Mapping[str, Handler]:
        run_execution = self._container.run_execution()
        if self._work is Work.OWN:
            return guest_handlers(run_execution)
        return worker_handlers(run_execution, self._container.report_completion())

    def _chores(self) -> Iterator[tuple[str, Callable[[], object], float]]:
        container, settings = self._container, self._container.settings()
        if self._work is Work.ALL or settings.redis_url is not None:
            # What a guest publishes goes no further than itself, so it leaves the messages of others alone.
            yield "outbox-sweep", container.relay_outbox().sweep, settings.relay_sweep_every_s
        yield "pending-results", container.finish_execution().store_kept, _STORE_KEPT_EVERY_S
        if self._work is not Work.NONE:
            yield "lease-renewal", self._renew_leases, settings.renew_every_s
        if self._work is Work.ALL:
            yield "engine-outages", container.follow_outages(), settings.rescue_every_s
            # Not less often than leases are renewed: a longer pause would count as an outage.
            every_s = min(settings.rescue_every_s, settings.renew_every_s)
            yield "rescue", container.recover_orphans(), every_s
            yield "retention", container.forget_processed_messages(), _FORGET_PROCESSED_EVERY_S

    def _drain(self, queue_worker: QueueWorker) -> None:
        drain_s = self._container.settings().drain_s
        deadline = time.monotonic() + drain_s
        queue_worker.stop(timeout_s=drain_s)
        self._container.in_flight().wait_until_empty(max(deadline - time.monotonic(), 0))

    def _release(self) -> None:
        in_flight = self._container.in_flight()
        try:
            self._stop_soon(self._container.drain_executions()())
        except DependencyUnavailable as error:
            logger.warning("executions cannot be given back: %s", error)
            return
        if not in_flight.wait_until_empty(_RELEASE_S):
            logger.warning("%d executions could not be given back", len(in_flight.snapshot()))

    def _renew_leases(self) -> None:
        self._stop_soon(self._container.renew_leases()())

    def _stop_cancelled(self, message: Message) -> None:
        execution_id = message.body.get("execution_id")
        if message.name == "JobCancelled" and execution_id is not None:
            self._stop_soon({ExecutionId(UUID(execution_id)): JobId(UUID(message.body["job_id"]))})

    def _stop_soon(self, executions: Mapping[ExecutionId, JobId]) -> None:
        """Stop executions, on threads other than a feed's or a loop's, for an engine may take its time."""
        for execution_id, job_id in executions.items():
            self._stopping.submit(self._stop, execution_id, job_id)

    def _stop(self, execution_id: ExecutionId, job_id: JobId) -> None:
        try:
            self._container.stop_execution()(execution_id, job_id)
        except DependencyUnavailable as error:
            logger.warning("execution %s is stopped at its next renewal: %s", execution_id, error)
        except Exception:  # nobody waits for this thread's result
            logger.exception("execution %s is stopped at its next renewal", execution_id)
