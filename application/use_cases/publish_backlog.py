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
    """Publishes the backlog once a minute, from the process that records the minute's cluster sample.

    * It is published once for all processes, as long as any of them runs, without a leader.
    * It counts only work that workers could run now. Executions of suspended tenants, or of tenants at their
      quota, are excluded, because more workers would not help them.
    * A value that cannot be published is dropped: the next minute has its own.

    Args:
        record_sample: Records the sample of the present minute; returns False if it already has one.
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
        """Record the minute's sample and publish the backlog; return False if another process does.

        Raises:
            DependencyUnavailable: The database is unavailable.
        """
        if not self._record_sample():
            return False
        backlog = self._queries.queue()[TenantClass.READY]
        try:
            if self._publisher.publish(backlog, self._clock.now()):
                self._measurements.count(BACKLOG_PUBLICATIONS, "published")
        except DependencyUnavailable as error:
            logger.warning("the backlog was not published: %s", error, extra=outage_of(error))
            self._measurements.count(BACKLOG_PUBLICATIONS, "failed")
        return True
