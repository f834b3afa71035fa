import logging
from collections.abc import Sequence

from application.outgoing import Outgoing
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.message_publisher import MessagePublisher
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.events import Event, ExecutionRequested
from domain.execution import Execution, ExecutionResult
from domain.job_lifecycle import JobStatus, Reason
from domain.values import ExecutionId

logger = logging.getLogger("service_server.executions")

_LOST = ExecutionResult.failed(
    Reason.WORKER_LOST, "The worker that ran the program was lost, and the program is not run a second time."
)
_UNREPORTED = ExecutionResult(
    status=JobStatus.TIMEOUT,
    reason=Reason.WALL_TIME_LIMIT,
    error_message="The engine took the program and did not report its end in time.",
)


class RescueExecutions:
    """See to executions that nobody sees to.

    One whose lease has run out lost its worker: its job gets a new execution if it may have one, and has
    FAILED with the reason worker_lost if not; one that was entrusted to an engine has run out of time. One
    that has waited unclaimed for long is announced again, for the message that announced it may be lost.
    Any number of processes may sweep at once: the first write counts.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        publisher: MessagePublisher,
        outgoing: Outgoing,
        clock: Clock,
        ids: IdGenerator,
        announce_after_s: float,
        batch: int = 100,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._publisher = publisher
        self._outgoing = outgoing
        self._clock = clock
        self._ids = ids
        self._announce_after_s = announce_after_s
        self._batch = batch

    def __call__(self) -> int:
        """Sweep once; return how many executions were rescued or announced again."""
        lost = self._unit_of_work.run(lambda transaction: transaction.executions.lost(self._batch))
        for execution in lost:
            self._rescue(execution)
        waiting = self._unit_of_work.run(
            lambda transaction: transaction.executions.waiting(self._announce_after_s, self._batch)
        )
        if waiting:
            self._announce(waiting)
        return len(lost) + len(waiting)

    def _rescue(self, lost: Execution) -> None:
        now = self._clock.now()
        next_id = ExecutionId(self._ids.new())

        def work(transaction: Transaction) -> None:
            before = transaction.jobs.get(lost.job_id)
            if before is None or not transaction.executions.abandon(lost.id, now):
                return
            execution: Execution | None = None
            events: tuple[Event, ...]
            result = _UNREPORTED if lost.is_entrusted else _LOST
            if lost.may_run_again(before.spec.max_attempts):
                after, execution, events = before.retry(lost, next_id, now)
            else:
                after, events = before.complete(lost.id, result, now)
            if not events:
                return
            transaction.jobs.replace(before, after)
            if execution is not None:
                transaction.executions.add(execution)
            else:
                transaction.executions.end(lost.id, result, now)
            self._outgoing.add(transaction, events)

        self._unit_of_work.run(work)
        logger.warning("execution %s lost its worker %s", lost.id, lost.claimed_by)

    def _announce(self, waiting: Sequence[Execution]) -> None:
        now = self._clock.now()
        hints = [
            ExecutionRequested(job_id=execution.job_id, execution_id=execution.id, occurred_at=now)
            for execution in waiting
        ]
        self._publisher.publish(self._outgoing.messages(hints))
