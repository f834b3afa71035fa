import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TypeVar
from uuid import uuid4

import sqlalchemy as sa

from adapters.sql.engine import read_only
from adapters.sql.errors import Failure, diagnose, unavailable
from adapters.sql.execution_repository import SqlExecutionRepository
from adapters.sql.heartbeats import SqlHeartbeats
from adapters.sql.inbox import SqlInbox
from adapters.sql.job_repository import SqlJobRepository
from adapters.sql.outbox import SqlOutbox
from adapters.sql.project_repository import SqlProjectRepository
from adapters.sql.retrying import Attempts
from adapters.sql.tables import inbox, projects
from application.errors import CommitOutcomeUnknown, DependencyUnavailable
from application.messages import Message
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import Transaction, UnitOfWork

T = TypeVar("T")

_TURN_TIMEOUT_S = 5.0
# For so long a write that was committed shows that the database takes them.
_WRITTEN_GOOD_S = 5.0
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # as a receipt it is forgotten, should it be left behind
# Unlike a constant, it reads the database's file, and shows that the tables are there.
_CHECK = sa.select(projects.c.project_id).limit(1)


class SqlTransaction:
    """What one connection reads and writes between its begin and its commit."""

    def __init__(self, connection: sa.Connection) -> None:
        self.jobs = SqlJobRepository(connection)
        self.executions = SqlExecutionRepository(connection)
        self.projects = SqlProjectRepository(connection)
        self.outbox = SqlOutbox(connection)
        self.inbox = SqlInbox(connection)
        self.heartbeats = SqlHeartbeats(connection)


@dataclass(slots=True)
class _Commits:
    """Whether a run of a transaction has come as far as its commit."""

    may_be_done: bool = False


class SqlUnitOfWork(UnitOfWork):
    """Transactions on an engine. There is one unit of work for a process."""

    def __init__(self, engine: sa.Engine, relay: MessageRelay) -> None:
        self._engine = engine
        self._readers = read_only(engine)
        self._relay = relay
        self._attempts = Attempts()
        self._write_again_at = 0.0
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None

    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run work in a transaction, again if need be, commit it and offer its messages to the relay."""
        commits = _Commits()
        try:
            result, messages = self._attempts(lambda: self._run_once(work, commits))
        except DependencyUnavailable as error:
            if commits.may_be_done:
                raise CommitOutcomeUnknown(error.dependency, error.detail, error.retry_after_s) from error
            raise
        if messages:
            self._relay.offer(messages)
        return result

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads."""

        def ask() -> T:
            with self._readers.begin() as connection:
                return work(SqlTransaction(connection))

        return self._attempts(ask)

    def check(self) -> None:
        """Find out whether the database answers, and now and then whether what is written is committed."""

        def ask() -> None:
            with self._readers.connect() as connection:
                connection.execute(_CHECK)

        self._attempts(ask)
        if monotonic() >= self._write_again_at:
            self._check_writing()
            self._write_again_at = monotonic() + _WRITTEN_GOOD_S

    def _check_writing(self) -> None:
        """Commit a row that is gone again: a transaction that is rolled back never meets a full disk.

        Once, for whoever asks has little time: a lock that another holds is told, and not waited for.
        """
        row = {"digest": uuid4().hex, "source": "health check", "message_id": "", "received_at": _LONG_AGO}
        try:
            with self._in_turn(), self._engine.begin() as connection:
                connection.execute(sa.insert(inbox), row)
                connection.execute(sa.delete(inbox).where(inbox.c.digest == row["digest"]))
        except sa.exc.SQLAlchemyError as error:
            failure, detail = diagnose(error)
            if failure is Failure.BUG:
                raise
            raise unavailable(f"it cannot be written to: {detail}") from error

    def _run_once(self, work: Callable[[Transaction], T], commits: "_Commits") -> tuple[T, list[Message]]:
        with self._in_turn(), self._engine.begin() as connection:
            transaction = SqlTransaction(connection)
            result = work(transaction)
            commits.may_be_done = True
        return result, transaction.outbox.added

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Let this process's writers queue: SQLite has them sleep and try again, which is slow and unfair."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=_TURN_TIMEOUT_S):
            raise unavailable("another transaction holds it locked")
        try:
            yield
        finally:
            self._turn.release()
