"""Command: mark executions whose engine is unavailable, and fail them after a time."""

import logging

from application.errors import CorruptRow
from application.job_entries import record_for_job
from application.outbox_writer import OutboxWriter
from application.ports.clock import Clock
from application.ports.execution_engine import ExecutionEngine
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.audit import NO_USAGE, Act, AuditEntryId
from domain.catalogue.text import text
from domain.execution import ExecutionResult
from domain.job_lifecycle import Reason
from domain.retrying import Backoff
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.executions")

# The maximum number of executions that are marked, and given up, at once.
_BATCH = 500
_GIVEN_UP = ExecutionResult.failed(
    Reason.ENGINE_UNAVAILABLE,
    text("outcomes.engine_away"),
)


class FollowOutages:
    """Marks executions that wait for an unavailable engine, and fails them after a time.

    * An execution that waits in a language whose engine is unavailable is marked with the time of the outage.
    * An execution that has waited for too long ends as FAILED with the reason engine_unavailable.
    * No execution is given up while this process or another live one reaches an engine for its language.
    * If the job allows a retry for that reason, another execution follows, which waits for the same time.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        engine: ExecutionEngine,
        outbox_writer: OutboxWriter,
        clock: Clock,
        ids: IdGenerator,
        backoff: Backoff,
        worker: str,
        wait_s: float,
        alive_s: float,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._engine = engine
        self._outbox_writer = outbox_writer
        self._clock = clock
        self._ids = ids
        self._backoff = backoff
        self._worker = worker
        self._wait_s = wait_s
        self._alive_s = alive_s

    def __call__(self) -> int:
        """Check once; return how many executions were given up."""
        away = self._engine.unreachable_queues()
        if not away:
            return 0
        away -= self._unit_of_work.read(
            lambda transaction: transaction.heartbeats.served(self._alive_s, self._worker)
        )
        if not away:
            return 0
        self._unit_of_work.run(lambda transaction: transaction.executions.mark_deferred(away, _BATCH))
        overdue = self._unit_of_work.read(
            lambda transaction: transaction.executions.deferred(away, self._wait_s, _BATCH)
        )
        return sum(self._give_up(execution_id, job_id) for execution_id, job_id in overdue.items())

    def _give_up(self, execution_id: ExecutionId, job_id: JobId) -> bool:
        now = self._clock.now()
        entry_id, next_id = AuditEntryId(self._ids.new()), ExecutionId(self._ids.new())

        def work(transaction: Transaction) -> bool:
            try:
                before = transaction.jobs.get_of_any_tenant(job_id)
            except CorruptRow:  # ended when it is claimed
                return False
            execution = transaction.executions.get(execution_id)
            if before is None or execution is None or not transaction.executions.give_up(execution_id, now):
                return False
            following, delay_s = None, self._backoff.before(execution.number + 1)
            if before.spec.retries(_GIVEN_UP.reason, execution.number):
                after, following, events = before.retry_later(execution, next_id, now, delay_s)
            else:
                after, events = before.complete(execution_id, _GIVEN_UP, now)
            if events:
                transaction.jobs.replace(before, after)
                transaction.executions.end(execution_id, _GIVEN_UP, now)
                if following is not None:
                    transaction.executions.add(after, following, delay_s)
                record_for_job(transaction, entry_id, Act.JOB_END, before, NO_USAGE, now)
                self._outbox_writer.add(transaction, events, after)
            return True

        is_given_up = self._unit_of_work.run(work)
        if is_given_up:
            logger.warning("execution %s was given up: its engine was unavailable for too long", execution_id)
        return is_given_up
