"""Requests with idempotency keys: each takes effect once, and its first response is given again."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar
from uuid import UUID

from application.errors import (
    AlreadyAnswered,
    AnswerLost,
    ConcurrencyConflict,
    KeyReused,
    NotFound,
    Repeated,
    RequestInWork,
)
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.queries.batch_reader import read_batch
from application.views import BatchView, JobView
from domain.caller import Caller
from domain.idempotency import KeyRecord, KeyState, StoredAnswer
from domain.project import Project
from domain.values import BatchId, JobId, ProjectId, ProjectName

T = TypeVar("T")

_REFUSALS: dict[KeyState, type[Repeated]] = {
    KeyState.REUSED: KeyReused,
    KeyState.IN_WORK: RequestInWork,
    KeyState.ANSWERED: AlreadyAnswered,
}


@dataclass(frozen=True, slots=True)
class Again(Generic[T]):
    """Finds the result of a command whose response was lost with its process.

    Attributes:
        made: The object that the command creates or changes, as recorded with the key.
        read: Returns the result from that object as it is now.
    """

    made: str
    read: Callable[[Transaction, str], T]


class IdempotentRequests:
    """The records of requests with idempotency keys.

    * A key is recorded in the transaction of the effect. If the transaction fails there is no record, and the
      request may be sent again.
    * While a key is kept, it stands for one request: its method, path, query and body.
    * The response is stored once it is made. If it is overdue because its process was lost, it is made again
      from the object that the request created or changed.

    Args:
        kept_hours: How long a key is kept.
    """

    def __init__(self, unit_of_work: UnitOfWork, kept_hours: float) -> None:
        self._unit_of_work = unit_of_work
        self._kept = timedelta(hours=kept_hours)

    def once(
        self,
        transaction: Transaction,
        caller: Caller,
        work: Callable[[Transaction], T],
        again: Again[T] | None,
    ) -> T:
        """Do the work of a command, or return its result if it was done but never answered.

        Raises:
            KeyReused: The key belongs to a different request.
            RequestInWork: The request is being answered.
            AlreadyAnswered: The request is answered.
            AnswerLost: The request was never answered, and its result cannot be found.
        """
        if caller.idempotency is None:
            return work(transaction)
        record = KeyRecord(request=caller.idempotency, made="" if again is None else again.made)
        earlier = self._record(transaction, caller, record)
        if earlier is None:
            return work(transaction)
        if again is None:
            raise AnswerLost
        return again.read(transaction, earlier.made)

    def check_early(self, caller: Caller) -> None:
        """Refuse a request whose key is in use, before its other work.

        Raises:
            KeyReused: The key belongs to a different request.
            RequestInWork: The request is being answered.
            AlreadyAnswered: The request is answered.
        """
        request = caller.idempotency
        if request is None:
            return
        earlier = self._unit_of_work.read(lambda t: t.idempotency_keys.get(caller.tenant.name, request.key))
        if earlier is not None and (state := earlier.state(request, self._kept)) in _REFUSALS:
            raise _REFUSALS[state]

    def find(self, caller: Caller) -> StoredAnswer | None:
        """Return the stored response to the caller's request, if it was answered before.

        Raises:
            KeyReused: The key belongs to a different request.
        """
        request = caller.idempotency
        if request is None:
            return None
        found = self._unit_of_work.read(lambda t: t.idempotency_keys.get(caller.tenant.name, request.key))
        state = None if found is None else found.state(request, self._kept)
        if state is KeyState.REUSED:
            raise KeyReused
        return found.answer if found is not None and state is KeyState.ANSWERED else None

    def keep(self, caller: Caller, answer: StoredAnswer) -> StoredAnswer | None:
        """Store the response to the caller's request.

        Returns the response to give instead if another one came first or an earlier request took effect.
        """
        request = caller.idempotency
        if request is None:
            return None
        tenant = caller.tenant.name

        def work(transaction: Transaction) -> StoredAnswer | None:
            keys = transaction.idempotency_keys
            if keys.set_answer(tenant, KeyRecord(request=request, made=""), answer):
                return None
            earlier = keys.get(tenant, request.key)
            if earlier is not None and earlier.answer is None:
                keys.set_answer(tenant, earlier, answer)
                earlier = keys.get(tenant, request.key)
            return None if earlier is None else earlier.answer

        return self._unit_of_work.run(work)

    def _record(self, transaction: Transaction, caller: Caller, record: KeyRecord) -> KeyRecord | None:
        """Record a key; return None if it is new, else the record of a request that was never answered."""
        keys, tenant = transaction.idempotency_keys, caller.tenant.name
        if keys.add(tenant, record):
            return None
        earlier = keys.get(tenant, record.request.key)
        state = KeyState.EXPIRED if earlier is None else earlier.state(record.request, self._kept)
        if state in _REFUSALS:
            raise _REFUSALS[state]
        if state is KeyState.ABANDONED:
            return earlier
        if (earlier is not None and not keys.remove(tenant, earlier)) or not keys.add(tenant, record):
            raise ConcurrencyConflict("another request took the place of an expired one")
        return None


def job_again(caller: Caller, job_id: JobId) -> Again[JobView]:
    """Return a way to find a command's job as it is now."""

    def read(transaction: Transaction, made: str) -> JobView:
        job, project = transaction.jobs.get_with_project_or_raise(caller, JobId(UUID(made)))
        return JobView.of(job, project.name, transaction.executions.current(job))

    return Again(str(job_id), read)


def batch_again(caller: Caller, batch_id: BatchId) -> Again[BatchView]:
    """Return a way to find a command's batch as it is now."""
    return Again(
        str(batch_id), lambda transaction, made: read_batch(transaction, caller, BatchId(UUID(made)))
    )


def project_again(caller: Caller, reference: ProjectId | ProjectName) -> Again[Project]:
    """Return a way to find a command's project as it is now."""

    def read(transaction: Transaction, _made: str) -> Project:
        project = transaction.projects.get(caller, reference)
        if project is None:
            raise NotFound("project", reference)
        return project

    return Again(str(reference), read)
