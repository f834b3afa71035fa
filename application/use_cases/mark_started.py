"""Command: record the start of a program."""

from datetime import datetime

from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import UnitOfWork
from application.use_cases.claim_execution import Claim
from domain.events import ExecutionStarted

# If a worker was suspended for longer than this since its claim, it checks that the claim is still valid
# before it starts the program. This is far shorter than a lease, and than a cancellation otherwise takes to
# arrive.
_FRESH_S = 1.0


class MarkStarted:
    """Records that an engine is about to start a program, and notifies the job's watchers.

    The notification does not pass through the outbox: watchers who miss it see the start a moment later.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        outbox_writer: OutboxWriter,
        relay: MessageRelay,
        clock: Clock,
        worker: str,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outbox_writer = outbox_writer
        self._relay = relay
        self._clock = clock
        self._worker = worker

    def __call__(self, claim: Claim) -> datetime | None:
        """Record the start, unless the claim recorded it and is fresh.

        Returns:
            When the program starts; None if the claim is no longer valid and the program must not start.
        """
        execution = claim.execution
        started_at = self._recorded(claim) or self._unit_of_work.run(
            lambda transaction: transaction.executions.mark_started(execution.id, self._worker)
        )
        if started_at is not None:
            started = ExecutionStarted(
                job_id=execution.job_id, execution_id=execution.id, occurred_at=started_at
            )
            self._relay.offer(self._outbox_writer.messages([started]))
        return started_at

    def _recorded(self, claim: Claim) -> datetime | None:
        is_fresh = self._clock.monotonic() - claim.asked < _FRESH_S
        return claim.execution.started_at if is_fresh else None
