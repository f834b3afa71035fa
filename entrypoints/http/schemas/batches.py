"""The schema of batches."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from domain.job_lifecycle import JobStatus, Phase


class BatchResponse(Struct, kw_only=True):
    """A batch of jobs."""

    batch_id: Annotated[str, Meta(examples=["01890a5d-ac96-774b-bcce-b302099a8057"])]
    total: Annotated[int, Meta(description="The number of submitted jobs.", examples=[2])]
    by_status: Annotated[
        dict[JobStatus, int],
        Meta(
            description="The number of jobs with each status, without deleted jobs.",
            examples=[{"PENDING": 0, "RUNNING": 1, "SUCCESS": 1, "FAILED": 0, "TIMEOUT": 0, "CANCELLED": 0}],
        ),
    ]
    by_phase: Annotated[
        dict[Phase, int],
        Meta(
            description="The number of jobs in each phase. Jobs that were not executed count as waiting.",
            examples=[{"waiting": 0, "building": 0, "running": 1, "ended": 1}],
        ),
    ]
    jobs: Annotated[list[str], Meta(description="The ids of the jobs, in the order of submission.")]
    created_at: datetime
    cancelled_at: Annotated[
        datetime | None, Meta(description="When cancellation of the batch was requested.")
    ]
    completed_at: Annotated[datetime | None, Meta(description="When the last job ended.")]
    callback_secret: Annotated[
        str | UnsetType,
        Meta(
            description="The secret that signs requests to `callback_url`. Only in the response to the "
            "submission for which it was generated."
        ),
    ] = UNSET
