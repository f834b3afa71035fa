"""The ending of jobs whose rows cannot be read."""

import logging
from datetime import datetime

from application.errors import CorruptRow
from application.outbox_writer import OutboxWriter
from application.ports.unit_of_work import Transaction
from domain.catalogue.text import text
from domain.events import JobCompleted
from domain.execution import Execution, ExecutionResult
from domain.job_lifecycle import JobStatus, Reason

logger = logging.getLogger("service_server.executions")

_UNREADABLE = ExecutionResult.failed(Reason.INTERNAL, text("outcomes.unreadable_job"))


class PoisonJobHandler:
    """Ends jobs that cannot be read, so that they do not block the jobs behind them."""

    def __init__(self, outbox_writer: OutboxWriter) -> None:
        self._outbox_writer = outbox_writer

    def end(self, transaction: Transaction, execution: Execution, now: datetime, error: CorruptRow) -> None:
        """End a job by its running execution, which this process holds, unless another holds it by now."""
        if not transaction.jobs.fail(execution.job_id, execution.id, Reason.INTERNAL, now):
            return
        transaction.executions.end(execution.id, _UNREADABLE, now)
        ended = JobCompleted(
            job_id=execution.job_id,
            execution_id=execution.id,
            status=JobStatus.FAILED,
            reason=Reason.INTERNAL,
            occurred_at=now,
            language=None,
        )
        self._outbox_writer.add(transaction, (ended,), None)
        logger.error("execution %s ended as internal: %s", execution.id, error)
