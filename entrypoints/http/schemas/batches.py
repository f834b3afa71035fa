"""The schema of batches."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.job_lifecycle import JobStatus, Phase


class BatchResponse(Struct, kw_only=True):
    """A batch of jobs."""

    batch_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    total: Annotated[int, Meta(description="How many jobs were submitted.", examples=[2])]
    by_status: Annotated[
        dict[JobStatus, int],
        Meta(
            description="How many jobs there are of each status; deleted ones are left out.",
            examples=[{"PENDING": 0, "RUNNING": 1, "SUCCESS": 1, "FAILED": 0, "TIMEOUT": 0, "CANCELLED": 0}],
        ),
    ]
    by_phase: Annotated[
        dict[Phase, int],
        Meta(
            description="How many there are of each phase: also jobs that nothing has executed are waiting.",
            examples=[{"waiting": 0, "building": 0, "running": 1, "ended": 1}],
        ),
    ]
    jobs: Annotated[list[str], Meta(description="The ids of its jobs, in the order of their submission.")]
    created_at: datetime
    cancelled_at: Annotated[datetime | None, Meta(description="When its cancellation was asked for.")]
    completed_at: Annotated[datetime | None, Meta(description="When the last of its jobs had ended.")]
    callback_secret: Annotated[
        str | UnsetType,
        Meta(
            description="The secret that signs what is posted to `callback_url`, once: in the answer to the "
            "submission that it was made for."
        ),
    ] = UNSET
