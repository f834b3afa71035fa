"""Transactions of callers' commands: each writes its effect, audit entry and idempotency key atomically."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from application.errors import ApplicationError, DependencyUnavailable, Repeated
from application.idempotent_requests import Again, IdempotentRequests
from application.log_context import current_request_id
from application.ports.clock import Clock
from application.ports.id_generator import IdGenerator
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.record_refusal import RecordRefusal, refusal_kind
from domain.audit import NO_USAGE, Act, AuditEntry, AuditEntryId, Usage
from domain.caller import Caller
from domain.errors import DomainError
from domain.values import ProjectId

T = TypeVar("T")


class CallerUnitOfWork:
    """Runs callers' commands, each in one transaction with its audit entry.

    * The audit entry of a successful command is written in the transaction of its effect.
    * The audit entry of a refused command (a domain or application error) is written in a separate
      transaction, after the rollback.
    * A command that failed because a dependency is unavailable was not refused and has no entry; nor has a
      repeated request under the same idempotency key.
    """

    def __init__(
        self,
        unit_of_work: UnitOfWork,
        idempotent_requests: IdempotentRequests,
        record_refusal: RecordRefusal,
        clock: Clock,
        ids: IdGenerator,
    ) -> None:
        self._unit_of_work = unit_of_work
        self._idempotent_requests = idempotent_requests
        self._record_refusal = record_refusal
        self._clock = clock
        self._ids = ids

    def run(
        self,
        caller: Caller,
        act: Act,
        work: Callable[[Transaction], T],
        *,
        subject: Callable[[T], str],
        project: Callable[[T], ProjectId | None] = lambda _result: None,
        usage: Usage | Callable[[T], Usage] = NO_USAGE,
        asked_for: str = "",
        again: Again[T] | None = None,
    ) -> T:
        """Run work as `UnitOfWork.run` does, together with its audit entry.

        Args:
            caller: The caller.
            act: The action that the entry records.
            work: Reads and writes, and returns a result.
            subject: Returns the id or name of the object that was acted on.
            project: Returns the object's project.
            usage: The usage that the action adds, or a function that returns it.
            asked_for: The subject to record if the action is refused: the name that the caller gave.
            again: Finds the result for a request that is repeated because its response was lost. Without it,
                a repeated request is refused.

        Raises:
            Repeated: A request with the same idempotency key was already processed.
            DependencyUnavailable: As for `UnitOfWork.run`. Errors of `work` are recorded and raised.
        """
        entry_id, at = AuditEntryId(self._ids.new()), self._clock.now()

        def work_and_record(transaction: Transaction) -> T:
            result = work(transaction)
            transaction.audit.add(
                AuditEntry(
                    id=entry_id,
                    at=at,
                    tenant=caller.tenant.name,
                    principal=caller.principal,
                    address=caller.address,
                    act=act,
                    subject=subject(result),
                    request_id=current_request_id(),
                    project=project(result),
                    usage=usage if isinstance(usage, Usage) else usage(result),
                )
            )
            return result

        with self.recording_refusals(caller, act, asked_for):
            return self._unit_of_work.run(
                lambda transaction: self._idempotent_requests.once(
                    transaction, caller, work_and_record, again
                )
            )

    @contextmanager
    def recording_refusals(self, caller: Caller, act: Act, asked_for: str) -> Iterator[None]:
        """Record a refusal raised in this context, for example by a check before a transaction."""
        try:
            yield
        except (DependencyUnavailable, Repeated):
            raise
        except (DomainError, ApplicationError) as error:
            self._record_refusal(act, caller, caller.address, asked_for, refusal_kind(error))
            raise

    def check_key(self, caller: Caller) -> None:
        """Refuse a request whose idempotency key is in use, before its other work.

        Raises:
            Repeated: A request with the same key was already processed.
        """
        self._idempotent_requests.check_early(caller)

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads and is not recorded."""
        return self._unit_of_work.read(work)
