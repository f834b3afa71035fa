"""Publishes the backlog to CloudWatch, for the scaling of ECS services."""

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.cloudwatch.cluster_metrics import metrics_errors
from application.ports.backlog_publisher import BacklogPublisher
from application.ports.operation_queries import Backlog

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.literals import StandardUnitType
    from types_boto3_cloudwatch.type_defs import MetricDatumTypeDef

DEPTH, AGE = "QueueDepth", "QueueOldestAge"
_DIMENSION = "Environment"


class CloudWatchBacklogPublisher(BacklogPublisher):
    """Publishes the number of waiting executions and the age of the oldest, in one request.

    Args:
        client: The client from `build_client`.
        namespace: The namespace of the metrics.
        environment: The value of the metrics' only dimension, `Environment`.
    """

    def __init__(self, client: "CloudWatchClient", namespace: str, environment: str) -> None:
        self._client = client
        self._namespace = namespace
        self._environment = environment

    def publish(self, backlog: Backlog, now: datetime) -> bool:
        """Publish the backlog of executions that wait for a worker."""
        data = list(self._data(backlog, now))
        with metrics_errors("sending the backlog"):
            self._client.put_metric_data(Namespace=self._namespace, MetricData=data)
        return True

    def _data(self, backlog: Backlog, now: datetime) -> "Iterable[MetricDatumTypeDef]":
        figures: tuple[tuple[str, float, StandardUnitType], ...] = (
            (DEPTH, backlog.number, "Count"),
            (AGE, backlog.age_s(now), "Seconds"),
        )
        for name, value, unit in figures:
            yield {
                "MetricName": name,
                "Dimensions": [{"Name": _DIMENSION, "Value": self._environment}],
                "Timestamp": now,
                "Value": value,
                "Unit": unit,
            }
