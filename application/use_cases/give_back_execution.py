import logging

from application.outgoing import Outgoing
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from domain.values import ExecutionId, JobId

logger = logging.getLogger("service_server.executions")


class GiveBackExecution:
    """Have a program run elsewhere that its worker stopped in order to end itself.

    It runs from its beginning, as an execution of its own that the job's history shows. It counts as no
    attempt, for neither the program nor its job is to blame.
    """

    def __init__(self, unit_of_work: UnitOfWork, outgoing: Outgoing, clock: Clock, ids: IdGenerator) -> None:
        self._unit_of_work = unit_of_work
        self._outgoing = outgoing
        self._clock = clock
        self._ids = ids

    def __call__(self, execution_id: ExecutionId, job_id: JobId) -> bool:
        """Give the execution back; return False if it is not its job's any more: cancelled, or rescued."""
        now = self._clock.now()
        next_id = ExecutionId(self._ids.new())

        def work(transaction: Transaction) -> bool:
            stopped = transaction.executions.get(execution_id)
            before = transaction.jobs.get(job_id)
            if stopped is None or before is None or before.current_execution_id == next_id:
                return before is not None  # the first run's commit was not heard of
            after, execution, events = before.give_back(stopped, next_id, now)
            if execution is None:
                return False
            transaction.jobs.replace(before, after)
            transaction.executions.end(stopped.id, None, now)
            transaction.executions.add(execution)
            self._outgoing.add(transaction, events)
            return True

        was_given_back = self._unit_of_work.run(work)
        if was_given_back:
            logger.info("execution %s was given back; execution %s takes its place", execution_id, next_id)
        return was_given_back
