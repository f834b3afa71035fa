"""Backlog publisher for a service that the platform does not scale."""

from datetime import datetime

from application.ports.backlog_publisher import BacklogPublisher
from application.ports.operation_queries import Backlog


class NoBacklogPublisher(BacklogPublisher):
    """Publishes nothing."""

    def publish(self, backlog: Backlog, now: datetime) -> bool:  # noqa: ARG002 - the port's
        """Return False: nothing was published."""
        return False
