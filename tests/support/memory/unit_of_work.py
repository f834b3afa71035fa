from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from application.errors import ConcurrencyConflict, DependencyUnavailable
from application.messages import Message
from application.ports.message_relay import MessageRelay
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.retry_policy import RetryPolicy
from tests.support.memory.audit_log import MemoryAuditLog
from tests.support.memory.batch_repository import MemoryBatchRepository
from tests.support.memory.blob_repository import MemoryBlobRepository
from tests.support.memory.case_repository import MemoryCaseRepository
from tests.support.memory.case_set_repository import MemoryCaseSetRepository
from tests.support.memory.cluster_history import MemoryClusterHistory
from tests.support.memory.database import MemoryDatabase, Tables
from tests.support.memory.delivery_repository import MemoryDeliveryRepository
from tests.support.memory.execution_repository import MemoryExecutionRepository
from tests.support.memory.heartbeats import MemoryHeartbeats
from tests.support.memory.idempotency_keys import MemoryIdempotencyKeys
from tests.support.memory.inbox import MemoryInbox
from tests.support.memory.job_repository import MemoryJobRepository
from tests.support.memory.key_repository import MemoryKeyRepository
from tests.support.memory.outbox import MemoryOutbox
from tests.support.memory.project_repository import MemoryProjectRepository
from tests.support.memory.purge_repository import MemoryPurgeRepository
from tests.support.memory.retention_repository import MemoryRetentionRepository
from tests.support.memory.session_repository import MemorySessionRepository
from tests.support.memory.tenant_repository import MemoryTenantRepository
from tests.support.memory.webhook_repository import MemoryWebhookRepository

T = TypeVar("T")

_MAX_RUNS = 30


class MemoryTransaction:
    """Reads and writes a copy of the tables."""

    def __init__(self, draft: Tables, now: Callable[[], datetime]) -> None:
        self.jobs = MemoryJobRepository(draft)
        self.executions = MemoryExecutionRepository(draft, now)
        self.cases = MemoryCaseRepository(draft, now)
        self.case_sets = MemoryCaseSetRepository(draft, now)
        self.batches = MemoryBatchRepository(draft)
        self.projects = MemoryProjectRepository(draft)
        self.tenants = MemoryTenantRepository(draft)
        self.keys = MemoryKeyRepository(draft)
        self.purges = MemoryPurgeRepository(draft, now)
        self.retention = MemoryRetentionRepository(draft, self.purges)
        self.blobs = MemoryBlobRepository(draft, now)
        self.outbox = MemoryOutbox(draft, now)
        self.inbox = MemoryInbox(draft)
        self.audit = MemoryAuditLog(draft)
        self.heartbeats = MemoryHeartbeats(draft, now)
        self.cluster_history = MemoryClusterHistory(draft, now)
        self.sessions = MemorySessionRepository(draft)
        self.idempotency_keys = MemoryIdempotencyKeys(draft)
        self.webhooks = MemoryWebhookRepository(draft)
        self.deliveries = MemoryDeliveryRepository(draft, now)


class MemoryUnitOfWork(UnitOfWork):
    """Runs transactions one at a time, each on a copy that replaces the tables on commit."""

    def __init__(self, database: MemoryDatabase, relay: MessageRelay) -> None:
        self._database = database
        self._relay = relay

    def run(self, work: Callable[[Transaction], T], outcome_retry: RetryPolicy | None = None) -> T:  # noqa: ARG002
        """Run work in a transaction, again after a conflict; commit it and offer its messages."""
        for _ in range(_MAX_RUNS):
            try:
                result, messages = self._run_once(work)
            except ConcurrencyConflict:
                continue
            if messages:
                self._relay.offer(messages)
            return result
        raise DependencyUnavailable("database", "transactions keep changing the same row")

    def read(self, work: Callable[[Transaction], T]) -> T:
        """Run work on a copy of the tables, which is discarded."""
        return work(MemoryTransaction(self._database.tables.copy(), self._database.now))

    def check(self) -> None:
        """Do nothing, because memory is always available."""

    def _run_once(self, work: Callable[[Transaction], T]) -> tuple[T, Sequence[Message]]:
        """Run work once and commit it; return its result and its messages."""
        with self._database.lock:
            draft = self._database.tables.copy()
            transaction = MemoryTransaction(draft, self._database.now)
            result = work(transaction)
            self._database.tables = draft
        return result, transaction.outbox.added
