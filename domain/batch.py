"""A batch: jobs that were submitted together."""

from dataclasses import dataclass
from datetime import datetime

from domain.submission import SealedSecrets
from domain.tenant import TenantName
from domain.values import BatchId, ProjectId

MAX_BATCH_JOBS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs that were submitted in one request. Each goes its own way, and the last one ends the batch.

    Attributes:
        project_id: The project of all its jobs; None if they are of several.
        total: The number of jobs that were submitted.
        cancelled_at: When its cancellation was asked for: jobs that have not ended by then are cancelled.
        completed_at: When it was seen that all its jobs have ended.
        callback_url: The URL that its end is posted to.
        callback_secret: The secret that signs it.
    """

    id: BatchId
    tenant: TenantName
    project_id: ProjectId | None
    total: int
    created_at: datetime
    cancelled_at: datetime | None = None
    completed_at: datetime | None = None
    callback_url: str | None = None
    callback_secret: SealedSecrets | None = None
