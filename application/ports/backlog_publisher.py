"""The port to the place from which workers are scaled by the backlog."""

from abc import ABC, abstractmethod
from datetime import datetime

from application.ports.operation_queries import Backlog


class BacklogPublisher(ABC):
    """A metric store outside of the service, from which the platform scales workers."""

    @abstractmethod
    def publish(self, backlog: Backlog, now: datetime) -> bool:
        """Send the executions that wait for a worker; return False if there is no such store.

        Raises:
            DependencyUnavailable: It is out of reach, or refuses.
        """
