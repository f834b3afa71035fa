from datetime import timedelta

from application.outgoing import Outgoing
from application.ports.clock import Clock
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import UnitOfWork
from application.use_cases.claim_execution import Claim
from domain.events import ExecutionStarted

# A worker that has slept since its claim for longer than this asks whether it still has it before it starts a
# program. Far less than a lease, and than it takes until a cancel is heard of otherwise.
_FRESH = timedelta(seconds=1)


class AcknowledgeStart:
    """Record that an engine has started a program, and tell whoever watches.

    The news does not pass through the outbox: watchers who miss it see the start a moment later.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, outgoing: Outgoing, relay: MessageRelay, clock: Clock, worker: str
    ) -> None:
        self._unit_of_work = unit_of_work
        self._outgoing = outgoing
        self._relay = relay
        self._clock = clock
        self._worker = worker

    def __call__(self, claim: Claim) -> bool:
        """Record the start, unless the claim did and is fresh; return False if it does not stand any more."""
        execution = claim.execution
        is_held = self._is_recorded(claim) or self._unit_of_work.run(
            lambda transaction: transaction.executions.acknowledge(execution.id, self._worker)
        )
        if is_held:
            started = ExecutionStarted(
                job_id=execution.job_id, execution_id=execution.id, occurred_at=self._clock.now()
            )
            self._relay.offer(self._outgoing.messages([started]))
        return is_held

    def _is_recorded(self, claim: Claim) -> bool:
        is_fresh = timedelta(0) <= self._clock.now() - claim.asked_at < _FRESH
        return is_fresh and claim.execution.started_at is not None
