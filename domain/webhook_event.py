"""The events that receivers get."""

from enum import StrEnum


class WebhookEvent(StrEnum):
    """The type of an event, as receivers see it."""

    JOB_STARTED = "job.started"
    JOB_COMPLETED = "job.completed"
    JOB_CANCELLED = "job.cancelled"
    BATCH_COMPLETED = "batch.completed"
    TEST = "webhook.test"


# The events that a webhook may subscribe to.
SUBSCRIBED = tuple(event for event in WebhookEvent if event is not WebhookEvent.TEST)
# The events that a callback gets: ends of jobs and batches.
CALLED_BACK = frozenset(
    {WebhookEvent.JOB_COMPLETED, WebhookEvent.JOB_CANCELLED, WebhookEvent.BATCH_COMPLETED}
)
