"""A batch: jobs that were submitted together."""

from dataclasses import dataclass
from datetime import datetime

from domain.sealed_secrets import SealedSecrets
from domain.tenant import TenantName
from domain.values import BatchId, ProjectId

MAX_BATCH_JOBS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Jobs submitted in one request. They run independently; the batch ends with the last one.

    Attributes:
        project_id: The project of all its jobs; None if they belong to several.
        total: The number of jobs that were submitted.
        cancelled_at: When its cancellation was requested; jobs that have not ended are then cancelled.
        completed_at: When all of its jobs were found to have ended.
        callback_url: The URL that is notified of its end.
        callback_secret: The secret that signs the callback.
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
