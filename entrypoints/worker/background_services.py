"""Starts, drains and stops the relay, the workers and the periodic tasks of a process."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Protocol, runtime_checkable
from uuid import UUID

from adapters.common.background import PeriodicTask
from application.errors import DependencyUnavailable
from application.messages import Message
from application.ports.database_schema import DatabaseSchema
from application.services import Services
from application.wiring.ports import Ports
from domain.values import ExecutionId, JobId
from entrypoints.settings import Settings
from entrypoints.topology import Topology, WorkerMode
from entrypoints.worker.webhook_dispatcher import WebhookDispatcher

logger = logging.getLogger("service_server.worker")

_LEASE_RENEWAL = "lease-renewal"
# The longest wait for another execution to stop and be requeued. An engine answers within two seconds.
_REQUEUE_S = 4.5
# Interval at which executions are stopped again until they are requeued. An engine that still fetches a
# program's code does not notice that it is stopped.
_STOP_AGAIN_S = 0.5
_STOPPING_THREADS = 16
# Interval at which results that wait for the log store are retried, so they end this soon after it is back.
_PENDING_RESULTS_EVERY_S = 1.0
# Interval at which the last uses of keys are stored.
_KEY_USE_EVERY_S = 15.0
# Interval at which audit entries are posted to the ledger. Quota checks add up the entries not yet posted.
_POSTING_EVERY_S = 1.0
# Interval at which deleted projects, tenants and jobs are purged.
_DELETION_EVERY_S = 2.0
# Interval at which uploaded files that have been unused for hours are removed.
_UNUSED_FILES_EVERY_S = 300.0
# Interval at which data older than the retention policy are removed.
_AGE_EVERY_S = 60.0
# Interval at which delayed executions whose delay has passed are made available to workers.
_RELEASE_EVERY_S = 0.5
# Interval at which batches are completed that the ends of their jobs did not complete.
_BATCH_SWEEP_EVERY_S = 15.0
# Interval at which a process checks whether the current minute has a sample.
_SAMPLE_EVERY_S = 20.0
# Even during an outage, renewing leases takes less time. A process in which it takes longer is stuck.
_STUCK_S = 120.0
# Each round deletes a small batch of expired rows.
_RETENTION_EVERY_S = 3_600.0


@runtime_checkable
class Background(Protocol):
    """A part that runs between its start and its stop."""

    def start(self) -> None:
        """Start the part."""

    def stop(self) -> None:
        """Stop the part and free its resources."""


class Worker(Protocol):
    """A part that runs executions."""

    def start(self) -> None:
        """Start to run executions."""

    def stop(self, timeout_s: float) -> bool:
        """Start no more executions, wait for the running ones, and return whether all ended in time."""


class Relay(Protocol):
    """Publishes the messages that this process has committed."""

    def start(self, relay: Callable[[Sequence[Message]], None]) -> None:
        """Start to pass messages to `relay`."""

    def stop(self) -> None:
        """Pass on the last messages and stop."""


class BackgroundServices:
    """Everything that runs behind the API in one process, started and stopped together.

    Args:
        workers: Empty in a process that runs no programs.
        webhooks: None in a process that posts no events.
        close: Called last, to close connections.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        topology: Topology,
        ports: Ports,
        services: Services,
        workers: Sequence[Worker],
        webhooks: WebhookDispatcher | None,
        relay: Relay,
        schema: DatabaseSchema,
        close: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._topology = topology
        self._ports = ports
        self._services = services
        self._workers = workers
        self._webhooks = webhooks
        self._relay = relay
        self._schema = schema
        self._close = close
        self._stops = ExitStack()
        self._stopping = ThreadPoolExecutor(_STOPPING_THREADS, thread_name_prefix="stop-execution")
        engines = [ports.engine] if topology.starts_engine else []
        parts = (ports.event_feed, ports.output_feed, ports.cluster_metrics, *engines)
        self._parts = [part for part in parts if isinstance(part, Background)]
        self._tasks = [
            PeriodicTask(name, action, every_s) for name, action, every_s in self._periodic_tasks()
        ]

    def start(self) -> None:
        """Start every part. Executions that wait already are run.

        If a part cannot be started, the parts that were started are stopped, and the error is raised.
        """
        with ExitStack() as stops:
            stops.callback(self._ports.tracing.close)
            stops.callback(self._close)
            if self._topology.migrates_at_start:
                self._schema.upgrade()
            for part in self._parts:
                stops.callback(part.stop)  # even if it fails to start, because it can hold resources then
                self._start(part)
            if self._webhooks is not None:
                self._webhooks.start()
                stops.callback(self._webhooks.stop)
            self._relay.start(self._publish)
            stops.callback(self._forget_published)
            stops.callback(self._relay.stop)
            stops.callback(self._stopping.shutdown, wait=False, cancel_futures=True)
            stops.callback(self._requeue)
            stops.callback(self._stop_tasks)
            for task in self._tasks:
                task.start()
            stops.callback(self._ports.event_feed.subscribe(self._stop_cancelled))
            started: list[Worker] = []
            stops.callback(self._drain, started)
            for worker in self._workers:
                worker.start()
                started.append(worker)
            self._stops = stops.pop_all()

    def are_stuck(self) -> bool:
        """Return whether the last renewal of leases, or its last failure, is far too long ago.

        Always False in a process that runs no programs.
        """
        longest_s = max(_STUCK_S, 4 * self._settings.renew_every_s)
        return any(task.name == _LEASE_RENEWAL and task.since_round_s > longest_s for task in self._tasks)

    def stop(self) -> None:
        """Drain this process: wait for its executions, requeue the rest, and close everything."""
        self._stops.close()

    def _publish(self, messages: Sequence[Message]) -> None:
        if self._webhooks is not None:
            self._webhooks.notice(messages)
        self._services.relay_outbox(messages)

    def _forget_published(self) -> None:
        try:
            self._services.relay_outbox.forget()
        except DependencyUnavailable as error:
            logger.warning("messages will be published a second time: %s", error)

    def _start(self, part: Background) -> None:
        try:
            part.start()
        except DependencyUnavailable as error:
            if self._topology.mode is not WorkerMode.NONE:
                raise
            logger.warning("%s; programs may run in other processes", error)

    def _periodic_tasks(self) -> Iterator[tuple[str, Callable[[], object], float]]:
        settings, services, mode = self._settings, self._services, self._topology.mode
        if self._topology.relays_stale_messages:
            yield "outbox-sweep", services.relay_outbox.sweep, settings.relay_sweep_every_s
        yield "key-use", services.authenticator.record_use, _KEY_USE_EVERY_S
        yield "pending-results", services.store_kept_results, _PENDING_RESULTS_EVERY_S
        yield "audit-posting", services.post_audit_entries, _POSTING_EVERY_S
        if mode is not WorkerMode.OWN:
            yield "cluster-history", services.publish_backlog, _SAMPLE_EVERY_S
        if mode is not WorkerMode.NONE:
            yield _LEASE_RENEWAL, self._renew_leases, settings.renew_every_s
        if mode is WorkerMode.ALL:
            yield "engine-outages", services.follow_outages, settings.rescue_every_s
            # At least as often as leases are renewed, because a longer pause would count as an outage.
            every_s = min(settings.rescue_every_s, settings.renew_every_s)
            yield "orphan-recovery", self._recover_orphans, every_s
            yield "delayed-executions", services.release_delayed, _RELEASE_EVERY_S
            yield "batch-sweep", services.complete_batches.sweep, _BATCH_SWEEP_EVERY_S
            yield "deletion", services.remove_deleted, _DELETION_EVERY_S
            yield "age", services.apply_retention, _AGE_EVERY_S
            yield "unused-files", services.remove_unused_blobs, _UNUSED_FILES_EVERY_S
            yield "retention", services.forget_processed_messages, _RETENTION_EVERY_S
            yield "sessions", services.forget_sessions, _RETENTION_EVERY_S
            yield "deliveries", services.forget_deliveries, _RETENTION_EVERY_S
            yield "webhook-deletion", services.forget_webhooks, _RETENTION_EVERY_S
            yield "idempotency-retention", services.forget_idempotency_keys, _RETENTION_EVERY_S

    def _drain(self, workers: Sequence[Worker]) -> None:
        deadline = time.monotonic() + self._settings.drain_s
        running = len(self._services.in_flight.snapshot())
        if running and self._settings.drain_s:
            logger.info(
                "draining for up to %g s, executions still running: %d", self._settings.drain_s, running
            )
        for worker in workers:
            worker.stop(timeout_s=max(deadline - time.monotonic(), 0))
        self._services.in_flight.wait_until_empty(max(deadline - time.monotonic(), 0))

    def _stop_tasks(self) -> None:
        self._services.apply_retention.stop()
        for task in self._tasks:
            task.interrupt()
        for task in self._tasks:
            task.stop()

    def _requeue(self) -> None:
        try:
            self._drain_executions()
        except DependencyUnavailable as error:
            logger.warning("executions could not be requeued: %s", error)
            return
        in_flight, in_flight_cases = self._services.in_flight, self._services.in_flight_cases
        if not in_flight.snapshot() and not in_flight_cases.snapshot():
            return
        again = PeriodicTask("requeue", self._drain_executions, _STOP_AGAIN_S)
        again.start()
        in_flight_cases.wait_until_empty(_REQUEUE_S)
        if not in_flight.wait_while_they_end(_REQUEUE_S):
            logger.warning("%d executions could not be requeued", len(in_flight.snapshot()))
        again.stop()

    def _drain_executions(self) -> None:
        self._stop_soon(self._services.drain_executions())

    def _renew_leases(self) -> None:
        self._stop_soon(self._services.renew_leases())

    def _recover_orphans(self) -> int:
        return self._services.recover_orphans(lambda *unreported: self._stop_soon(dict([unreported])))

    def _stop_cancelled(self, message: Message) -> None:
        execution_id = message.body.get("execution_id")
        if message.name == "JobCancelled" and execution_id is not None:
            self._stop_soon({ExecutionId(UUID(execution_id)): JobId(UUID(message.body["job_id"]))})

    def _stop_soon(self, executions: Mapping[ExecutionId, JobId]) -> None:
        """Stop executions on other threads, because an engine may take long."""
        for execution_id, job_id in executions.items():
            self._stopping.submit(self._stop, execution_id, job_id)

    def _stop(self, execution_id: ExecutionId, job_id: JobId) -> None:
        try:
            self._services.stop_execution(execution_id, job_id)
        except DependencyUnavailable as error:
            logger.warning(
                "execution %s was not stopped, retrying at the next lease renewal: %s", execution_id, error
            )
        except Exception:  # no caller sees the outcome of this thread
            logger.exception("execution %s was not stopped, retrying at the next lease renewal", execution_id)
