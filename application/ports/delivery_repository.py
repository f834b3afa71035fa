"""The port to stored deliveries of events to webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.errors import NotFound
from domain.caller import Caller
from domain.webhook import Delivery, DeliveryId, DeliveryStatus, WebhookId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryClaim:
    """The bounds of a claim of deliveries.

    Attributes:
        limit: How many at most.
        per_receiver: How many of one receiver at most.
        lease_s: Seconds for which no other process is given them.
        per_tenant: How many of one tenant at most.
        room: How many of some receivers at most, where that is less.
        tenant_room: The same of some tenants.
    """

    limit: int
    per_receiver: int
    per_tenant: int
    lease_s: float
    room: Mapping[str, int] = field(default_factory=dict)
    tenant_room: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryFilter:
    """Filter of a list of deliveries, newest first.

    Attributes:
        limit: How many at most.
        after: The last delivery of the page before.
    """

    limit: int
    status: DeliveryStatus | None = None
    after: tuple[datetime, DeliveryId] | None = None


class DeliveryRepository(ABC):
    """The deliveries. Times of attempts that are due are the database's."""

    @abstractmethod
    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store new deliveries, which are due at once."""

    @abstractmethod
    def has_due(self) -> bool:
        """Return whether a delivery is due. Cheap: asked every second."""

    @abstractmethod
    def claim(self, wanted: DeliveryClaim) -> Sequence[Delivery]:
        """Return deliveries that are due, the longest due first, and take them for a lease.

        A delivery waits for the earlier events of its subject to the same receiver. No other process is given
        them for as long as the lease, nor waits for the transaction that takes them.
        """

    @abstractmethod
    def store_attempt(self, before: Delivery, after: Delivery, due_in_s: float = 0.0) -> bool:
        """Store the outcome of a claimed delivery; return False if it was claimed or stored since.

        Args:
            before: The delivery as it was claimed.
            after: The same after an attempt.
            due_in_s: Seconds until the next attempt of one that is pending.
        """

    @abstractmethod
    def redeliver(self, delivery: Delivery) -> None:
        """Store that a delivery is due at once, with a new time until it is given up."""

    @abstractmethod
    def of_webhook(self, webhook_id: WebhookId, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Return deliveries to a webhook, newest first."""

    @abstractmethod
    def of_subject(self, caller: Caller, subject: UUID, limit: int) -> Sequence[Delivery]:
        """Return the deliveries about a job or a batch of the caller's tenant, newest first."""

    @abstractmethod
    def get(self, caller: Caller, delivery_id: DeliveryId) -> Delivery | None:
        """Return a delivery, or None if the caller reaches none of that id."""

    def get_or_raise(self, caller: Caller, delivery_id: DeliveryId) -> Delivery:
        """Return a delivery.

        Raises:
            NotFound: The caller reaches no such delivery.
        """
        delivery = self.get(caller, delivery_id)
        if delivery is None:
            raise NotFound("delivery", delivery_id)
        return delivery

    @abstractmethod
    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove deliveries that were settled before a time, so many at most; return how many."""
