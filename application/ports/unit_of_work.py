from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar

from application.ports.execution_repository import ExecutionRepository
from application.ports.heartbeats import Heartbeats
from application.ports.inbox import Inbox
from application.ports.job_repository import JobRepository
from application.ports.outbox import Outbox
from application.ports.project_repository import ProjectRepository

T = TypeVar("T")


class Transaction(Protocol):
    """What one transaction reads and writes through."""

    @property
    def jobs(self) -> JobRepository:
        """The jobs."""

    @property
    def executions(self) -> ExecutionRepository:
        """The executions."""

    @property
    def projects(self) -> ProjectRepository:
        """The projects."""

    @property
    def outbox(self) -> Outbox:
        """The messages that follow from the commit."""

    @property
    def inbox(self) -> Inbox:
        """The messages of others."""

    @property
    def heartbeats(self) -> Heartbeats:
        """The processes that can write."""


class UnitOfWork(ABC):
    """All or nothing, in the one place that commits."""

    @abstractmethod
    def run(self, work: Callable[[Transaction], T]) -> T:
        """Run work in a transaction, commit it, and offer its messages to the relay.

        The work is run again from its start when the database chose it as a deadlock's victim or somebody
        else's write made it void, so it must do nothing but read and write through the transaction: no
        network, no clock, no new job or execution ids. It may find that its own first run was committed
        after all.

        Raises:
            DependencyUnavailable: The database is out of reach, full, or the conflict does not end; nothing
                was done.
            CommitOutcomeUnknown: The database went away during the commit.
        """

    @abstractmethod
    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, in a transaction that waits for no writer.

        Raises:
            DependencyUnavailable: The database is out of reach.
        """

    @abstractmethod
    def check(self) -> None:
        """Find out cheaply whether the database answers.

        Raises:
            DependencyUnavailable: It does not.
        """
