"""The port to the figures that operators watch: of the queue, the outbox, dead letters and deletions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# Up to here counts are exact; of more, no more is known than that.
COUNTED_UP_TO = 10_000


class TenantClass(StrEnum):
    """The cause for which executions of a tenant wait."""

    READY = "ready"  # for a worker
    AT_QUOTA = "at_quota"  # as many run as its quota allows
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Backlog:
    """Things that wait: how many, and since when the oldest does."""

    number: int
    oldest_since: datetime | None

    def age_s(self, now: datetime) -> float:
        """Return for how many seconds the oldest has waited."""
        waited = now - (self.oldest_since or now)
        return max(waited / timedelta(seconds=1), 0.0)


class OperationQueries(ABC):
    """Figures for operators, read from indexes. No count goes further than COUNTED_UP_TO, and one more.

    Every method raises DependencyUnavailable without the database.
    """

    @abstractmethod
    def queue(self) -> Mapping[TenantClass, Backlog]:
        """Return the executions that wait, by the class of their tenants.

        Where more than fifty tenants wait, the oldest is that of fifty of them, and tenants that are held
        back beyond these count as ready.
        """

    @abstractmethod
    def outbox(self) -> Backlog:
        """Return the messages that are not published, or not removed since."""

    @abstractmethod
    def dead_deliveries(self) -> int:
        """Return how many events were given up that webhooks were to get."""

    @abstractmethod
    def pending_deletions(self) -> int:
        """Return how many objects are noted to be deleted."""
