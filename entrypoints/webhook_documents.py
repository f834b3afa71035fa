"""The bodies of webhook events, in the format of the API's answers."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from application.ports.object_store import ObjectStore
from application.ports.webhook_documents import WebhookDocuments
from application.views import BatchView, JobView
from domain.delivery import Delivery


class ApiWebhookDocuments(WebhookDocuments):
    """Encodes events in the API's format, without links to logs, because these links need no key."""

    def __init__(self, log_store: ObjectStore) -> None:
        self._log_store = log_store

    def of_job(self, delivery: Delivery, job: JobView) -> bytes:
        """Return the body of an event of a job."""
        # Imported here, because the presenter imports the web framework, which a worker does not need.
        from entrypoints.http.presenter import Presenter  # noqa: PLC0415 - as said above

        return _document(delivery, Presenter(self._log_store, links_logs=False).job(job))

    def of_batch(self, delivery: Delivery, batch: BatchView) -> bytes:
        """Return the body of the end of a batch."""
        from entrypoints.http.presenter import present_batch  # noqa: PLC0415 - as above

        return _document(delivery, present_batch(batch))

    def of_plain(self, delivery: Delivery, data: Mapping[str, object]) -> bytes:
        """Return the body of an event with the given data."""
        return _document(delivery, data)


def _document(delivery: Delivery, data: object) -> bytes:
    timestamp: datetime = delivery.occurred_at
    return msgspec.json.encode({"type": delivery.event, "timestamp": timestamp, "data": data})
