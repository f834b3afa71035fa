"""The port to the metric store from which workers are scaled."""

from abc import ABC, abstractmethod
from datetime import datetime

from application.ports.operation_queries import Backlog


class BacklogPublisher(ABC):
    """A metric store outside the service, which the platform uses to scale workers."""

    @abstractmethod
    def publish(self, backlog: Backlog, now: datetime) -> bool:
        """Publish the number of executions that wait for a worker; return False if there is no such store.

        Raises:
            DependencyUnavailable: The store is unavailable or refuses the data.
        """
