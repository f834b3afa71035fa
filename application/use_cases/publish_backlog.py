"""Command: send the backlog to the platform that scales the workers."""

import logging
from collections.abc import Callable

from application.errors import DependencyUnavailable
from application.log_context import outage_of
from application.metrics import BACKLOG_PUBLICATIONS
from application.ports.backlog_publisher import BacklogPublisher
from application.ports.clock import Clock
from application.ports.measurements import Measurements
from application.ports.operation_queries import OperationQueries, TenantClass

logger = logging.getLogger("service_server.metrics")


class PublishBacklog:
    """Sends the backlog once a minute, from the process that records the minute's sample of the cluster.

    * So it is sent once for all processes, as long as any of them runs, and none of them leads.
    * It is what workers could run now: executions of tenants that are at their quota or suspended wait for
      something else, and more workers would not help them.
    * One that cannot be sent is not sent later: the next minute has its own.

    Args:
        record_sample: Records the sample of the present minute; returns False if it has one.
    """

    def __init__(
        self,
        record_sample: Callable[[], bool],
        operation_queries: OperationQueries,
        publisher: BacklogPublisher,
        measurements: Measurements,
        clock: Clock,
    ) -> None:
        self._record_sample = record_sample
        self._queries = operation_queries
        self._publisher = publisher
        self._measurements = measurements
        self._clock = clock

    def __call__(self) -> bool:
        """Record the minute's sample and send the backlog; return False if another process does.

        Raises:
            DependencyUnavailable: The database is out of reach.
        """
        if not self._record_sample():
            return False
        backlog = self._queries.queue()[TenantClass.READY]
        try:
            if self._publisher.publish(backlog, self._clock.now()):
                self._measurements.count(BACKLOG_PUBLICATIONS, "published")
        except DependencyUnavailable as error:
            logger.warning("the backlog is not published: %s", error, extra=outage_of(error))
            self._measurements.count(BACKLOG_PUBLICATIONS, "failed")
        return True
