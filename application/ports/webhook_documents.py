"""The port to the bodies of webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from application.views import BatchView, JobView
from domain.delivery import Delivery


class WebhookDocuments(ABC):
    """Builds the body of an event in the format of API responses: `type`, `timestamp` and `data`."""

    @abstractmethod
    def of_job(self, delivery: Delivery, job: JobView) -> bytes:
        """Return the body of an event of a job."""

    @abstractmethod
    def of_batch(self, delivery: Delivery, batch: BatchView) -> bytes:
        """Return the body of the event that a batch has ended."""

    @abstractmethod
    def of_plain(self, delivery: Delivery, data: Mapping[str, object]) -> bytes:
        """Return the body of an event with the given data."""
