from application.outgoing import Outgoing
from application.ports.clock import Clock
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import UnitOfWork
from domain.events import ExecutionStarted
from domain.execution import Execution


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

    def __call__(self, claimed: Execution) -> bool:
        """Record the start, unless the claim did; return whether this worker still holds the execution."""
        is_held = claimed.started_at is not None or self._unit_of_work.run(
            lambda transaction: transaction.executions.acknowledge(claimed.id, self._worker)
        )
        if is_held:
            started = ExecutionStarted(
                job_id=claimed.job_id, execution_id=claimed.id, occurred_at=self._clock.now()
            )
            self._relay.offer(self._outgoing.messages([started]))
        return is_held
