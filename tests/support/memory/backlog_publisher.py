"""The service that scales workers, in memory."""

from datetime import datetime

from application.errors import DependencyUnavailable
from application.ports.backlog_publisher import BacklogPublisher
from application.ports.operation_queries import Backlog


class MemoryBacklogPublisher(BacklogPublisher):
    """Records the backlogs that are published.

    Attributes:
        published: The backlogs, with the times at which they were published.
        error: An error to raise instead, if there is one.
    """

    def __init__(self) -> None:
        self.published: list[tuple[Backlog, datetime]] = []
        self.error: DependencyUnavailable | None = None

    def publish(self, backlog: Backlog, now: datetime) -> bool:
        """Record a backlog."""
        if self.error is not None:
            raise self.error
        self.published.append((backlog, now))
        return True
