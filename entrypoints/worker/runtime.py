import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, runtime_checkable
from uuid import UUID

from application.errors import DependencyUnavailable
from application.messages import Message
from domain.values import ExecutionId, JobId
from entrypoints.container import Container
from entrypoints.worker.periodic import Periodic

logger = logging.getLogger("service_server.worker")

_STOPPING_GRACE_S = 3.0
_STOPPING_THREADS = 16


@runtime_checkable
class Background(Protocol):
    """A part that does something between its start and its stop, beside being called."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, and let go of everything."""


class Runtime:
    """Everything that runs behind the API in one process, started and stopped together.

    Every process relays its own messages and sweeps the outbox. One that `works` also runs executions, keeps
    its leases, and rescues what others lost.
    """

    def __init__(self, container: Container, *, works: bool) -> None:
        self._container = container
        self._works = works
        self._stopping = ThreadPoolExecutor(_STOPPING_THREADS, thread_name_prefix="stop-execution")
        settings = container.settings()
        parts = (
            container.event_feed(),
            container.output_feed(),
            container.cluster_metrics(),
            container.engine(),
        )
        self._background = [part for part in parts if isinstance(part, Background)]
        self._loops = [Periodic("outbox-sweep", container.relay_outbox().sweep, settings.relay_sweep_every_s)]
        if works:
            self._loops += [
                Periodic("lease-renewal", container.renew_leases(), settings.renew_every_s),
                Periodic("rescue", container.rescue_executions(), settings.rescue_every_s),
            ]

    def start(self) -> None:
        """Start it all; what waits from before is taken up at once. An embedded database is migrated."""
        container = self._container
        if container.settings().rds_host is None:
            container.migrate_up()
        container.message_relay().start(container.relay_outbox())
        for part in self._background:
            part.start()
        if self._works:
            self._unsubscribe = container.event_feed().subscribe(self._stop_cancelled)
            container.queue_worker().start()
        for loop in self._loops:
            loop.start()

    def stop(self) -> None:
        """Stop taking work, let what runs end within the drain time, give the rest back, and close."""
        container = self._container
        if self._works:
            self._drain()
            self._unsubscribe()
        for loop in self._loops:
            loop.stop()
        self._stopping.shutdown()
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

    def _drain(self) -> None:
        container = self._container
        held = container.held()
        deadline = time.monotonic() + container.settings().drain_s
        container.queue_worker().stop(timeout_s=container.settings().drain_s)
        if held.wait_until_empty(max(deadline - time.monotonic(), 0)):
            return
        held.start_releasing()
        for execution_id, job_id in held.snapshot().items():
            self._stopping.submit(container.engine().cancel, execution_id, job_id)
        if not held.wait_until_empty(_STOPPING_GRACE_S):
            logger.warning("%d executions could not be given back", len(held.snapshot()))

    def _stop_cancelled(self, message: Message) -> None:
        execution_id = message.body.get("execution_id")
        if message.name == "JobCancelled" and execution_id is not None:
            # Not on the feed's thread: an engine elsewhere may take its time.
            self._stopping.submit(
                self._stop, ExecutionId(UUID(execution_id)), JobId(UUID(message.body["job_id"]))
            )

    def _stop(self, execution_id: ExecutionId, job_id: JobId) -> None:
        try:
            self._container.stop_execution()(execution_id, job_id)
        except DependencyUnavailable as error:
            logger.warning("execution %s is stopped at its next renewal: %s", execution_id, error)
        except Exception:  # nobody waits for this thread's result
            logger.exception("execution %s is stopped at its next renewal", execution_id)
