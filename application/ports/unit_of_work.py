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
        """Purges, and the objects to be deleted."""

    @property
    def retention(self) -> RetentionRepository:
        """The retention policies, and removals by age."""

    @property
    def blobs(self) -> BlobRepository:
        """The blobs, and the references to them."""

    @property
    def outbox(self) -> Outbox:
        """The messages to publish after the commit."""

    @property
    def inbox(self) -> Inbox:
        """The processed messages of other services."""

    @property
    def audit(self) -> AuditLog:
        """The record of actions."""

    @property
    def heartbeats(self) -> Heartbeats:
        """The heartbeats of processes."""

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
        """The webhooks."""

    @property
    def deliveries(self) -> DeliveryRepository:
        """The deliveries of events."""


class UnitOfWork(ABC):
    """Atomic transactions; the only place that commits."""

    @abstractmethod
    def run(self, work: Callable[[Transaction], T], outcome_retry: RetryPolicy | None = None) -> T:
        """Run work in a transaction, commit it once, and offer its messages to the relay.

        The work is run again from its start if the database chose it as a deadlock victim, if a concurrent
        write conflicts with it, or if the connection broke before the commit. Therefore it must only read and
        write through the transaction: no network, no clock, no new job or execution ids. If the answer to a
        commit is lost, its outcome is looked up first, so that committed work is never run again.

        Args:
            work: Reads and writes, and returns a result.
            outcome_retry: When to look up the outcome of a commit again while the database is unavailable; by
                default only once, immediately.

        Raises:
            DependencyUnavailable: The database is unavailable or full, or the conflicts do not end; nothing
                was done.
            CommitOutcomeUnknown: The database failed during the commit and did not come back.
        """

    @abstractmethod
    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work that only reads, in a transaction that does not wait for writers.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """

    @abstractmethod
    def check(self) -> None:
        """Check cheaply whether the database responds.

        Raises:
            DependencyUnavailable: It does not.
        """
