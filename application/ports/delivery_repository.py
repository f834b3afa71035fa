"""The port to stored deliveries of events to webhooks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from application.errors import NotFound
from application.lists import Cursor
from domain.caller import Caller
from domain.delivery import Delivery, DeliveryId, DeliveryStatus
from domain.values import WebhookId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryClaim:
    """The bounds of a claim of deliveries.

    Attributes:
        limit: The maximum number of deliveries.
        per_receiver: The maximum number for one receiver.
        lease_s: Seconds during which no other process may claim them.
        per_tenant: The maximum number for one tenant.
        room: Lower maximums for certain receivers.
        tenant_room: Lower maximums for certain tenants.
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
        limit: The maximum number of deliveries.
        cursor: The last delivery of the previous page.
    """

    limit: int
    status: DeliveryStatus | None = None
    cursor: Cursor | None = None


class DeliveryRepository(ABC):
    """The deliveries. Due times are the database's."""

    @abstractmethod
    def add(self, deliveries: Sequence[Delivery]) -> None:
        """Store new deliveries, which are due at once."""

    @abstractmethod
    def has_due(self) -> bool:
        """Return whether a delivery is due. Cheap, because it is called every second."""

    @abstractmethod
    def claim(self, wanted: DeliveryClaim) -> Sequence[Delivery]:
        """Claim due deliveries under a lease, and return them, longest due first.

        A delivery waits for earlier events of its subject to the same receiver. Other processes get none of
        the claimed deliveries during the lease, and do not wait for the claiming transaction.
        """

    @abstractmethod
    def store_attempt(self, before: Delivery, after: Delivery, due_in_s: float = 0.0) -> bool:
        """Store the outcome of a claimed delivery; return False if it was claimed or stored since.

        Args:
            before: The delivery as it was claimed.
            after: The delivery after the attempt.
            due_in_s: Seconds until the next attempt, if it is still pending.
        """

    @abstractmethod
    def redeliver(self, delivery: Delivery) -> None:
        """Make a delivery due at once, and restart the time after which it is given up."""

    @abstractmethod
    def of_webhook(self, webhook_id: WebhookId, wanted: DeliveryFilter) -> Sequence[Delivery]:
        """Return deliveries to a webhook, newest first."""

    @abstractmethod
    def of_subject(self, caller: Caller, subject: UUID, limit: int) -> Sequence[Delivery]:
        """Return up to `limit` deliveries about a job or a batch, newest first.

        A caller of one project gets those to callbacks and to the webhooks of its project, deleted or not.
        """

    @abstractmethod
    def get(self, caller: Caller, delivery_id: DeliveryId) -> Delivery | None:
        """Return a delivery, or None if the caller can access none with that id."""

    def get_or_raise(self, caller: Caller, delivery_id: DeliveryId) -> Delivery:
        """Return a delivery.

        Raises:
            NotFound: There is no such delivery, or the caller cannot access it.
        """
        delivery = self.get(caller, delivery_id)
        if delivery is None:
            raise NotFound("delivery", delivery_id)
        return delivery

    @abstractmethod
    def forget_of_any_tenant(self, before: datetime, limit: int) -> int:
        """Remove up to `limit` deliveries that were settled before a time; return how many."""
