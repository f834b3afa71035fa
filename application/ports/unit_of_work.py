"""The port to transactions."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, TypeVar

from application.ports.audit_log import AuditLog
from application.ports.batch_repository import BatchRepository
from application.ports.blob_repository import BlobRepository
from application.ports.case_repository import CaseRepository
from application.ports.case_set_repository import CaseSetRepository
from application.ports.cluster_history import ClusterHistory
from application.ports.delivery_repository import DeliveryRepository
from application.ports.execution_repository import ExecutionRepository
from application.ports.heartbeats import Heartbeats
from application.ports.idempotency_keys import IdempotencyKeys
from application.ports.inbox import Inbox
from application.ports.job_repository import JobRepository
from application.ports.key_repository import KeyRepository
from application.ports.outbox import Outbox
from application.ports.project_repository import ProjectRepository
from application.ports.purge_repository import PurgeRepository
from application.ports.retention_repository import RetentionRepository
from application.ports.session_repository import SessionRepository
from application.ports.tenant_repository import TenantRepository
from application.ports.webhook_repository import WebhookRepository
from application.retry_policy import RetryPolicy

T = TypeVar("T")


class Transaction(Protocol):
    """The repositories of one transaction."""

    @property
    def jobs(self) -> JobRepository:
        """The jobs."""

    @property
    def executions(self) -> ExecutionRepository:
        """The executions."""

    @property
    def cases(self) -> CaseRepository:
        """The cases of jobs, and their results."""

    @property
    def case_sets(self) -> CaseSetRepository:
        """The case sets of projects."""

    @property
    def batches(self) -> BatchRepository:
        """The batches of jobs."""

    @property
    def projects(self) -> ProjectRepository:
        """The projects."""

    @property
    def tenants(self) -> TenantRepository:
        """The tenants."""

    @property
    def keys(self) -> KeyRepository:
        """The API keys."""

    @property
    def purges(self) -> PurgeRepository:
        """The removal of jobs, and the objects that are to be deleted."""

    @property
    def retention(self) -> RetentionRepository:
        """The policies of retention, and removals by age."""

    @property
    def blobs(self) -> BlobRepository:
        """The blobs, and the references to them."""

    @property
    def outbox(self) -> Outbox:
        """The messages that follow from the commit."""

    @property
    def inbox(self) -> Inbox:
        """The messages of others."""

    @property
    def audit(self) -> AuditLog:
        """The record of acts."""

    @property
    def heartbeats(self) -> Heartbeats:
        """The processes that can write."""

    @property
    def cluster_history(self) -> ClusterHistory:
        """The history of the queue and of the machines."""

    @property
    def sessions(self) -> SessionRepository:
        """The sessions of the dashboard."""

    @property
    def idempotency_keys(self) -> IdempotencyKeys:
        """The idempotency keys of requests."""

    @property
    def webhooks(self) -> WebhookRepository:
        """The subscriptions to events."""

    @property
    def deliveries(self) -> DeliveryRepository:
        """The deliveries of events."""


class UnitOfWork(ABC):
    """Transactions, all or nothing: the one place that commits."""

    @abstractmethod
    def run(self, work: Callable[[Transaction], T], outcome_retry: RetryPolicy | None = None) -> T:
        """Run work in a transaction, commit it once, and offer its messages to the relay.

        The work is run again from its start when the database chose it as a deadlock's victim, another's
        write made it void, or the connection broke before the commit. So it does nothing but read and write
        through the transaction: no network, no clock, no new job or execution ids. When the answer to a
        commit is lost, its outcome is looked up first: work that was committed is never run again.

        Args:
            work: Reads and writes, and returns a result.
            outcome_retry: When to look the outcome of a commit up again while the database is away; by
                default once, at once.

        Raises:
            DependencyUnavailable: The database is out of reach, full, or the conflict does not end; nothing
                was done.
            CommitOutcomeUnknown: The database went away during the commit and did not come back.
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
