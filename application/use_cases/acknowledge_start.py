from application.outgoing import Outgoing
from application.ports.clock import Clock
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import UnitOfWork
from domain.events import ExecutionStarted
from domain.values import ExecutionId, JobId


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

    def __call__(self, execution_id: ExecutionId, job_id: JobId) -> bool:
        """Record the start; return whether this worker still holds the execution."""
        is_held = self._unit_of_work.run(
            lambda transaction: transaction.executions.acknowledge(execution_id, self._worker)
        )
        if is_held:
            started = ExecutionStarted(
                job_id=job_id, execution_id=execution_id, occurred_at=self._clock.now()
            )
            self._relay.offer(self._outgoing.messages([started]))
        return is_held
