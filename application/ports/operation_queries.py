"""The port to figures for operators: of the queue, the outbox, dead letters and deletions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# Counts are exact up to this number; above it, a count only shows that there are more.
COUNTED_UP_TO = 10_000


class TenantClass(StrEnum):
    """Why executions of a tenant wait."""

    READY = "ready"  # for a worker
    AT_QUOTA = "at_quota"  # the tenant has used up its quota of running executions
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class Backlog:
    """The number of things that wait, and since when the oldest waits."""

    number: int
    oldest_since: datetime | None

    def age_s(self, now: datetime) -> float:
        """Return how many seconds the oldest has waited."""
        waited = now - (self.oldest_since or now)
        return max(waited / timedelta(seconds=1), 0.0)


class OperationQueries(ABC):
    """Figures for operators, read from indexes. Every count stops at one more than COUNTED_UP_TO.

    Every method raises DependencyUnavailable if the database is unavailable.
    """

    @abstractmethod
    def queue(self) -> Mapping[TenantClass, Backlog]:
        """Return the waiting executions, by the class of their tenants.

        If more than fifty tenants have waiting executions, the oldest is found among fifty of them, and
        executions of the others count as ready.
        """

    @abstractmethod
    def postponed(self) -> Backlog:
        """Return the executions that their engine refused and that are delayed before they are sent again."""

    @abstractmethod
    def outbox(self) -> Backlog:
        """Return the messages that are not yet published or not yet removed."""

    @abstractmethod
    def dead_deliveries(self) -> int:
        """Return how many webhook deliveries were given up."""

    @abstractmethod
    def pending_deletions(self) -> int:
        """Return how many objects are scheduled for deletion."""
