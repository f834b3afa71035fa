"""The unit of work: transactions with retries, and with proof of commits whose answer was lost."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TypeVar

import sqlalchemy as sa

from adapters.sql.audit_log import SqlAuditLog
from adapters.sql.batch_repository import SqlBatchRepository
from adapters.sql.blob_repository import SqlBlobRepository
from adapters.sql.case_repository import SqlCaseRepository
from adapters.sql.case_set_repository import SqlCaseSetRepository
from adapters.sql.cluster_history import SqlClusterHistory
from adapters.sql.commit_log import CommitLog, CommitProof
from adapters.sql.delivery_repository import SqlDeliveryRepository
from adapters.sql.engine import reading
from adapters.sql.errors import DISK_FULL, Failure, diagnose, unavailable
from adapters.sql.execution_repository import SqlExecutionRepository
from adapters.sql.heartbeats import SqlHeartbeats
from adapters.sql.idempotency_keys import SqlIdempotencyKeys
from adapters.sql.inbox import SqlInbox
from adapters.sql.job_repository import SqlJobRepository
from adapters.sql.key_repository import SqlKeyRepository
from adapters.sql.outbox import SqlOutbox
from adapters.sql.project_repository import SqlProjectRepository
from adapters.sql.purge_repository import SqlPurgeRepository
from adapters.sql.retention_repository import SqlRetentionRepository
from adapters.sql.session_repository import SqlSessionRepository
from adapters.sql.tables import projects
from adapters.sql.tenant_repository import SqlTenantRepository
from adapters.sql.transaction_retrier import TransactionRetrier
from adapters.sql.webhook_repository import SqlWebhookRepository
from application.errors import CommitOutcomeUnknown, DependencyUnavailable
from application.log_context import outage_of
from application.messages import Message
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy

T = TypeVar("T")

logger = logging.getLogger("service_server.database")

_WRITER_LOCK_TIMEOUT_S = 5.0
# For this long, a committed write counts as proof that the database accepts writes.
_WRITTEN_GOOD_S = 5.0
# For this long, a write that was refused counts as proof that the server's disk is full.
_FULL_SHOWN_S = 10.0
# Reads a table and not a constant, to check that the database's file is readable and its tables exist.
_CHECK = sa.select(projects.c.project_id).limit(1)


class SqlTransaction:
    """The repositories of one transaction, on its connection."""

    def __init__(self, connection: sa.Connection) -> None:
        self.jobs = SqlJobRepository(connection)
        self.executions = SqlExecutionRepository(connection)
        self.cases = SqlCaseRepository(connection)
        self.case_sets = SqlCaseSetRepository(connection)
        self.batches = SqlBatchRepository(connection)
        self.projects = SqlProjectRepository(connection)
        self.purges = SqlPurgeRepository(connection)
        self.retention = SqlRetentionRepository(connection, self.purges)
        self.tenants = SqlTenantRepository(connection)
        self.keys = SqlKeyRepository(connection)
        self.blobs = SqlBlobRepository(connection)
        self.outbox = SqlOutbox(connection)
        self.inbox = SqlInbox(connection)
        self.audit = SqlAuditLog(connection)
        self.heartbeats = SqlHeartbeats(connection)
        self.cluster_history = SqlClusterHistory(connection)
        self.sessions = SqlSessionRepository(connection)
        self.idempotency_keys = SqlIdempotencyKeys(connection)
        self.webhooks = SqlWebhookRepository(connection)
        self.deliveries = SqlDeliveryRepository(connection)


class SqlUnitOfWork(UnitOfWork):
    """Runs transactions on an engine. A process has one unit of work.

    * Each transaction on a server stores a proof of its commit: its audit entry, its claim, or else an id in
      the commit log. If the answer to a commit is lost, the proof is looked up before the work is retried.
      The proof exists if and only if the transaction was committed. SQLite's commits always get an answer.
    * After a deadlock, a lock timeout or a conflicting write, the whole transaction is retried.

    Args:
        engine: The database.
        relay: Receives the messages of each commit.
        retrier: The retrier of this database, by default one with a circuit of its own.
    """

    def __init__(
        self, engine: sa.Engine, relay: MessageRelay, retrier: TransactionRetrier | None = None
    ) -> None:
        self._engine = engine
        self._relay = relay
        self._retrier = retrier or TransactionRetrier()
        self._commit_log = CommitLog()
        self._write_again_at = 0.0
        self._full_until = 0.0
        self._is_on_server = engine.dialect.name != "sqlite"
        self._lock = None if self._is_on_server else threading.Lock()

    def run(self, work: Callable[[Transaction], T], outcome_retry: RetryPolicy | None = None) -> T:
        """Run work in a transaction that is committed exactly once, and pass its messages to the relay."""
        try:
            result, messages = self._commit_once(work, outcome_retry or RetryPolicy())
        except DependencyUnavailable as error:
            if self._is_on_server and error.detail == DISK_FULL:
                self._full_until = monotonic() + _FULL_SHOWN_S
            raise
        if messages:
            self._relay.offer(messages)
        return result

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads."""

        def ask() -> T:
            with reading(self._engine) as connection:
                return work(SqlTransaction(connection))

        return self._retrier(ask)

    def check(self) -> None:
        """Check that the database answers, and every few seconds that it commits a write.

        A server whose disk is full still commits writes for which its files have room, such as that of this
        check. Larger writes that it refused are therefore taken into account.
        """

        def ask() -> None:
            with reading(self._engine) as connection:
                connection.execute(_CHECK)

        self._retrier(ask)
        if monotonic() < self._full_until:
            raise _unwritable(DISK_FULL)
        if monotonic() >= self._write_again_at:
            self._check_writing()
            self._write_again_at = monotonic() + _WRITTEN_GOOD_S

    def _check_writing(self) -> None:
        """Check that a write can be committed; a rolled-back transaction would not detect a full disk.

        There is no retry, because a health check must be quick: a lock held by another transaction is an
        error.
        """
        try:
            with self._commit_log.entry() as entry, self._writer_lock(), self._engine.begin() as connection:
                entry.write(connection)
        except sa.exc.SQLAlchemyError as error:
            failure, detail = diagnose(error)
            if failure is Failure.BUG:
                raise
            raise _unwritable(detail) from error

    def _commit_once(
        self, work: Callable[[Transaction], T], outcome_retry: RetryPolicy
    ) -> tuple[T, list[Message]]:
        # The result of an attempt that may have been committed, until its proof is found to be missing.
        unanswered: tuple[T, list[Message]] | None = None
        proof: CommitProof | None = None

        def attempt() -> tuple[T, list[Message]]:
            nonlocal unanswered, proof
            with self._writer_lock(), self._engine.begin() as connection:
                if unanswered is not None and (proof or entry.is_committed)(connection):
                    return unanswered
                unanswered = None
                transaction = SqlTransaction(connection)
                done = work(transaction), transaction.outbox.added
                if self._is_on_server:
                    proof = transaction.audit.proof or transaction.executions.proof
                    if proof is None:
                        entry.write(connection)
                    unanswered = done
            return done

        with self._commit_log.entry() as entry:
            try:
                return self._retrier(attempt)
            except DependencyUnavailable as error:
                if unanswered is None:
                    raise
                logger.warning("the outcome of a commit is unknown: %s", error, extra=outage_of(error))
            try:
                return outcome_retry(lambda: self._retrier(attempt))
            except DependencyUnavailable as error:
                if unanswered is None:
                    raise
                raise CommitOutcomeUnknown(error.dependency, error.detail, error.retry_after_s) from error

    @contextmanager
    def _writer_lock(self) -> Iterator[None]:
        """Queue this process's writers: SQLite makes waiting writers poll, which is slow and unfair."""
        if self._lock is None:
            yield
            return
        if not self._lock.acquire(timeout=_WRITER_LOCK_TIMEOUT_S):
            raise unavailable("another transaction holds a lock")
        try:
            yield
        finally:
            self._lock.release()


def _unwritable(detail: str) -> DependencyUnavailable:
    return unavailable(f"it cannot be written to: {detail}")
