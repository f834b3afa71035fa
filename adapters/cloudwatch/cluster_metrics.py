"""Reads metrics of ECS clusters from CloudWatch."""

import logging
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from adapters.cloudwatch.cache import SingleFlightCache
from adapters.common.boto3_errors import SILENT
from adapters.common.boto3_session import new_session
from adapters.common.circuit_breaker import CircuitBreaker
from application.errors import DependencyUnavailable
from application.log_context import outage
from application.ports.clock import Clock
from application.ports.cluster_metrics import ClusterMetrics, MetricPoint

if TYPE_CHECKING:
    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_cloudwatch.type_defs import (
        DimensionFilterTypeDef,
        DimensionTypeDef,
        MetricDataQueryTypeDef,
        MetricDataResultTypeDef,
        MetricTypeDef,
    )

_T = TypeVar("_T")

# Valid cluster names (Amazon ECS API Reference, CreateCluster); CloudWatch rejects most other names.
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NAMESPACE = "AWS/ECS"
_DIMENSION = "ClusterName"
# Query ids and metric names (Amazon ECS Developer Guide, "CloudWatch metrics").
_METRICS = {"cpu": "CPUUtilization", "memory": "MemoryUtilization"}
_FAILED = {"InternalError", "Forbidden"}
_CACHED_ANSWERS = 256
_DEPENDENCY = "metrics"
# Seconds between trials while CloudWatch does not answer. A trial takes up to three times as long.
_RESET_S = 10.0

_CONFIG = Config(  # type: ignore[call-arg]  # the stubs lack its last option
    connect_timeout=2,
    read_timeout=5,
    # Standard retries wait up to 1, 2, 4, ... s between attempts, with jitter; throttling is retried too.
    retries={"mode": "standard", "total_max_attempts": 4},
    # AWS_ENDPOINT_URL is set to the object store, but boto3 would use it for CloudWatch too.
    ignore_configured_endpoint_urls=True,
)

_log = logging.getLogger("service_server.cloudwatch")


def build_client(
    region: str | None,
    *,
    endpoint_url: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    session_token: str | None = None,
) -> "CloudWatchClient":
    """Build a thread-safe client. This takes 0.1 s.

    Args:
        region: The cluster's region; None for the region of boto3's own configuration.
        endpoint_url: The address of a compatible service; None for Amazon's.
        access_key_id: None for the credentials that boto3 finds: environment, files, task or instance role.
        secret_access_key: The secret of the access key.
        session_token: The token of a temporary access key.
    """
    session = new_session(access_key_id, secret_access_key, session_token, region)
    return session.client("cloudwatch", endpoint_url=endpoint_url, config=_CONFIG)


class CloudWatchGone(DependencyUnavailable):
    """CloudWatch does not answer at all."""


class CloudWatchClusterMetrics(ClusterMetrics):
    """The metrics that ECS reports to CloudWatch about its clusters.

    Answers are cached for some seconds, because CloudWatch limits and charges for calls. A circuit breaker
    opens if CloudWatch does not answer, so that callers who ask again and again do not occupy all the threads
    that serve requests. It opens when the first call has failed; until then, callers wait.

    Args:
        client: The client from `build_client`.
        clock: The clock that defines the last minutes.
        cache_s: Seconds for which an answer is cached.
    """

    def __init__(self, client: "CloudWatchClient", clock: Clock, cache_s: float = 5.0) -> None:
        self._client = client
        self._clock = clock
        self._circuit = CircuitBreaker(_DEPENDENCY, reset_s=_RESET_S, failure=CloudWatchGone)
        self._points = SingleFlightCache[Sequence[MetricPoint]](cache_s, _CACHED_ANSWERS)
        self._names = SingleFlightCache[Sequence[str]](cache_s, _CACHED_ANSWERS)

    def utilization(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        """Return the averages of all periods that overlap the last `minutes`, in ascending order."""
        if not _CLUSTER_NAME.fullmatch(cluster):
            return ()
        question = (cluster, minutes, period_s)
        return self._answer(self._points, question, lambda: self._ask_points(cluster, minutes, period_s))

    def metric_names(self, cluster: str) -> Sequence[str]:
        """Return the names of the metrics, sorted."""
        if not _CLUSTER_NAME.fullmatch(cluster):
            return ()
        return self._answer(self._names, cluster, lambda: self._ask_names(cluster))

    def _answer(self, cache: SingleFlightCache[_T], question: Hashable, ask: Callable[[], _T]) -> _T:
        # A cached answer does not show that CloudWatch answers now, and is of use while it does not.
        cached = cache.find(question)
        if cached is not None:
            return cached
        # The circuit is around the cache, so that callers are refused instead of waiting for its trial.
        with self._circuit.call():
            return cache.get(question, ask)

    def _ask_points(self, cluster: str, minutes: int, period_s: int) -> Sequence[MetricPoint]:
        now = self._clock.now()
        pages = self._client.get_paginator("get_metric_data").paginate(
            MetricDataQueries=[_query(id_, name, cluster, period_s) for id_, name in _METRICS.items()],
            StartTime=_begin(now - timedelta(minutes=minutes), period_s),
            EndTime=_begin(now, period_s) + timedelta(seconds=period_s),
            ScanBy="TimestampAscending",
        )
        with metrics_errors("reading metrics"):
            return _merge(result for page in pages for result in page["MetricDataResults"])

    def _ask_names(self, cluster: str) -> Sequence[str]:
        dimension: DimensionFilterTypeDef = {"Name": _DIMENSION, "Value": cluster}
        paginator = self._client.get_paginator("list_metrics")
        pages = paginator.paginate(Namespace=_NAMESPACE, Dimensions=[dimension])
        with metrics_errors("reading metrics"):
            return sorted({metric["MetricName"] for page in pages for metric in page["Metrics"]})


def _merge(results: "Iterable[MetricDataResultTypeDef]") -> Sequence[MetricPoint]:
    values: defaultdict[datetime, dict[str, float]] = defaultdict(dict)
    for result in results:
        if result.get("StatusCode") in _FAILED:
            raise DependencyUnavailable(_DEPENDENCY, "CloudWatch could not read the metrics")
        for timestamp, value in zip(result["Timestamps"], result["Values"], strict=True):
            values[timestamp.astimezone(UTC)][result["Id"]] = value
    return [
        MetricPoint(timestamp, found.get("cpu"), found.get("memory"))
        for timestamp, found in sorted(values.items())
    ]


def _query(query_id: str, name: str, cluster: str, period_s: int) -> "MetricDataQueryTypeDef":
    dimension: DimensionTypeDef = {"Name": _DIMENSION, "Value": cluster}
    metric: MetricTypeDef = {"Namespace": _NAMESPACE, "MetricName": name, "Dimensions": [dimension]}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period_s, "Stat": "Average"}}


def _begin(moment: datetime, period_s: int) -> datetime:
    """Return the start of the period of a moment: CloudWatch answers aligned requests fastest."""
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % period_s, UTC)


# An undecodable answer raises ValueError, or ResponseParserError, which is not a BotoCoreError. An answer
# without a field raises KeyError where the field is read.
@contextmanager
def metrics_errors(action: str) -> Iterator[None]:
    """Translate errors of CloudWatch's client. Their messages are only logged.

    Raises:
        CloudWatchGone: CloudWatch does not answer.
        DependencyUnavailable: CloudWatch refuses the request.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ResponseParserError, ValueError, KeyError) as error:
        _log.error("%s failed: %s", action, error, extra=outage(_DEPENDENCY, type(error).__name__))
        kind = CloudWatchGone if isinstance(error, tuple(SILENT)) else DependencyUnavailable
        raise kind(_DEPENDENCY, "CloudWatch cannot be reached or reports an error") from error
