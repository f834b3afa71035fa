"""The observer of an execution that runs here: it records the progress, and forwards the output."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from application.claims import Claim
from application.errors import DependencyUnavailable
from application.metrics import BUILD_TIME, START_WAIT
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine, ExecutionObserver
from application.ports.execution_repository import ExecutionRepository
from application.ports.measurements import Measurements
from application.ports.message_relay import MessageRelay
from application.ports.output_feed import OutputChunk, OutputFeed, UsageSample
from application.ports.tracing import Tracing
from application.ports.unit_of_work import UnitOfWork
from application.retry_policy import RetryPolicy
from domain.arrivals import ArrivalRecorder
from domain.events import ExecutionStarted
from domain.execution import Execution, Note
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")

# If a worker was suspended for longer than this since its claim, it checks that the claim is still valid
# before it starts the program. This is far shorter than a lease, and than a cancellation otherwise takes to
# arrive.
_FRESH_S = 1.0


class ExecutionProgress:
    """Records the progress of executions that this worker holds.

    The job's watchers are notified of a start. The notification does not pass through the outbox: watchers
    who miss it see the start a moment later.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        outbox_writer: OutboxWriter,
        relay: MessageRelay,
        clock: Clock,
        retry: RetryPolicy,
        worker: str,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._outbox_writer = outbox_writer
        self._relay = relay
        self._clock = clock
        self._retry = retry
        self._worker = worker

    def mark_started(self, claim: Claim) -> datetime | None:
        """Record that an engine is about to start a program, unless the claim recorded it and is fresh.

        Returns:
            When the program starts; None if the claim is no longer valid and the program must not start.
        """
        started_at = self._retry(lambda: self._mark_started(claim))
        if started_at is None:  # cancelled, or recovered as an orphan, between the claim and the start
            self._engine.detach(claim.execution.id, claim.job.id)
        return started_at

    def unmark_started(self, execution_id: ExecutionId) -> None:
        """Record that a program did not start after all."""
        try:
            self._unit_of_work.run(
                lambda transaction: transaction.executions.unmark_started(execution_id, self._worker)
            )
        except DependencyUnavailable as error:
            logger.warning("execution %s is still recorded as started: %s", execution_id, error)

    def mark_building(self, claim: Claim) -> None:
        """Record that the program is being built."""
        self._record(
            claim, lambda executions: executions.mark_building(claim.execution.id, self._worker), "its build"
        )

    def set_notes(self, claim: Claim, notes: Sequence[Note]) -> None:
        """Record the notes so far."""
        self._record(
            claim, lambda executions: executions.set_notes(claim.execution.id, self._worker, notes), "a note"
        )

    def _mark_started(self, claim: Claim) -> datetime | None:
        execution = claim.execution
        is_fresh = self._clock.monotonic() - claim.asked < _FRESH_S
        started_at = execution.started_at if is_fresh else None
        if started_at is None:
            started_at = self._unit_of_work.run(
                lambda transaction: transaction.executions.mark_started(execution.id, self._worker)
            )
        if started_at is not None:
            started = ExecutionStarted(
                job_id=execution.job_id, execution_id=execution.id, occurred_at=started_at
            )
            self._relay.offer(self._outbox_writer.messages([started]))
        return started_at

    def _record(self, claim: Claim, write: Callable[[ExecutionRepository], None], subject: str) -> None:
        """Record progress that only readers need; a failure to record it does not fail the program."""
        try:
            self._unit_of_work.run(lambda transaction: write(transaction.executions))
        except DependencyUnavailable as error:
            logger.warning("execution %s: %s could not be recorded: %s", claim.execution.id, subject, error)


class ClaimObserver(ExecutionObserver):
    """Records and forwards an engine's observations of a claimed execution, and when its output arrived.

    Attributes:
        recorder: The arrival times of the output.
    """

    def __init__(
        self,
        claim: Claim,
        progress: ExecutionProgress,
        output_feed: OutputFeed,
        measurements: Measurements,
        tracing: Tracing,
        clock: Clock,
    ) -> None:
        self._claim = claim
        self._progress = progress
        self._output_feed = output_feed
        self._measurements = measurements
        self._tracing = tracing
        self._clock = clock
        self._build_began: tuple[float, datetime] | None = None
        self._run_began: datetime | None = None
        self._stages: list[tuple[str, datetime, datetime]] = []
        self._notes: list[Note] = []
        self.recorder = ArrivalRecorder()

    @property
    def execution(self) -> Execution:
        """The execution, with its recorded start."""
        return self._claim.execution

    def building(self) -> None:
        """Measure the build, and record it for readers."""
        self._build_began = self._clock.monotonic(), self._clock.now()
        self._progress.mark_building(self._claim)

    def note(self, note: Note) -> None:
        """Record a note for readers, once."""
        if note not in self._notes:
            self._notes.append(note)
            self._progress.set_notes(self._claim, self._notes)

    def close(self) -> None:
        """Measure and trace the stages of the program, after its engine's last observation."""
        self._end_build()
        if self._run_began is not None:
            self._stages.append(("run program", self._run_began, self._clock.now()))
        for name, begin, end in self._stages:
            self._tracing.record(name, begin, end)

    def _end_build(self) -> None:
        """Measure a build that has begun: it ends with the program's start or a report of failure."""
        if self._build_began is not None:
            (began_s, began), self._build_began = self._build_began, None
            self._stages.append(("build program", began, self._clock.now()))
            took_s = self._clock.monotonic() - began_s
            self._measurements.observe(BUILD_TIME, took_s, self._claim.job.spec.language.name)

    def started(self) -> None:
        """Record the start."""
        self._end_build()
        started_at = self._progress.mark_started(self._claim)
        self._set_start(started_at)
        if started_at is not None:
            self._run_began = self._clock.now()
            waited_s = seconds_between(self.execution.requested_at, started_at)
            self._measurements.observe(START_WAIT, waited_s)

    def start_failed(self) -> None:
        """Take the recorded start back."""
        self._run_began = None
        if self._claim.execution.started_at is not None:
            self._set_start(None)
            self._progress.unmark_started(self._claim.execution.id)

    def _set_start(self, started_at: datetime | None) -> None:
        self._claim = replace(self._claim, execution=replace(self._claim.execution, started_at=started_at))

    def output(self, chunk: OutputChunk) -> None:
        """Forward output with its arrival time."""
        at = self._clock.now()
        self.recorder.add(chunk.stream, chunk.offset + len(chunk.data), at)
        self._output_feed.append(self._claim.execution.id, replace(chunk, at=at))

    def usage(self, sample: UsageSample) -> None:
        """Forward the usage of resources."""
        self._output_feed.measure(self._claim.execution.id, sample)


def seconds_between(begin: datetime, end: datetime) -> float:
    """Return the seconds between two times of different clocks, at least 0."""
    return max((end - begin) / timedelta(seconds=1), 0.0)
