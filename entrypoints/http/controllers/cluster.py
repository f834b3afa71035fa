"""Languages, the engine, and the metrics of its cluster."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from msgspec import Meta, Struct

from application.queries.cluster_reader import MAX_MINUTES
from domain.caller import Scope
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.parameters import ClusterInPath
from entrypoints.http.schemas.timeline import EngineResponse, LanguageResponse, RuntimeResponse
from entrypoints.http.timeline_presenter import present_engine, present_language, present_runtime

_Minutes = Annotated[
    int,
    QueryParameter(
        description="The length of the period until now, in minutes.",
        schema_extra={"minimum": 1, "maximum": MAX_MINUTES},
    ),
]
_Period = Annotated[int, QueryParameter(description="Seconds per data point: 10, 30 or a multiple of 60.")]


class MetricPoint(Struct, kw_only=True):
    """The utilization of a cluster in the period that begins at a time, in percent."""

    timestamp: datetime
    cpu_utilization: Annotated[float | None, Meta(examples=[12.5])]
    memory_utilization: Annotated[float | None, Meta(examples=[40.25])]


class ClusterMetricsResponse(Struct, kw_only=True):
    """The utilization of a cluster, in ascending order of time."""

    cluster_name: Annotated[str, Meta(examples=["local"])]
    metrics: list[MetricPoint]


class MetricNamesResponse(Struct, kw_only=True):
    """The names of a cluster's metrics, sorted."""

    cluster_name: Annotated[str, Meta(examples=["local"])]
    metric_names: Annotated[list[str], Meta(examples=[["CPUUtilization", "MemoryUtilization"]])]


class ClusterController(Controller):
    """The languages, the engine, and the metrics of its cluster."""

    tags = ("Machines",)

    @get(
        "/languages",
        sync_to_thread=True,
        **openapi_docs("listLanguages", "List languages", scope=Scope.JOBS_READ),
    )
    def languages(self, api: NamedDependency[Api]) -> list[LanguageResponse]:
        """List languages, with their availability."""
        return [present_language(support) for support in api.services.cluster_reader.languages()]

    @get(
        "/runtimes",
        sync_to_thread=True,
        **openapi_docs(
            "listRuntimes",
            "List runtimes",
            "The versions and environments of languages that a job can select, with their presets of "
            "compiler flags.",
            scope=Scope.JOBS_READ,
        ),
    )
    def runtimes(self, api: NamedDependency[Api]) -> list[RuntimeResponse]:
        """List runtimes, with their availability."""
        return [present_runtime(support) for support in api.services.cluster_reader.runtimes()]

    @get(
        "/engine",
        sync_to_thread=True,
        **openapi_docs(
            "getEngine",
            "Get the engine",
            "How programs are run and isolated, how limits are enforced, and what is waiting.",
            scope=Scope.CLUSTER_READ,
        ),
    )
    def engine(self, api: NamedDependency[Api]) -> EngineResponse:
        """Get the engine."""
        return present_engine(api.services.cluster_reader.engine())

    @get(
        "/cloudwatch/{clusterName:str}",
        sync_to_thread=True,
        **openapi_docs(
            "getClusterMetrics",
            "Get the utilization of a cluster",
            "CPU and memory utilization, in percent.",
            problems=(404,),
            scope=Scope.CLUSTER_READ,
        ),
    )
    def metrics(
        self,
        cluster: ClusterInPath,
        api: NamedDependency[Api],
        minutes: _Minutes = 10,
        period: _Period = 60,
    ) -> ClusterMetricsResponse:
        """Get how busy a cluster was."""
        points = [
            MetricPoint(
                timestamp=point.timestamp,
                cpu_utilization=point.cpu_utilization,
                memory_utilization=point.memory_utilization,
            )
            for point in api.services.cluster_reader.utilization(cluster, minutes, period)
        ]
        return ClusterMetricsResponse(cluster_name=cluster, metrics=points)

    @get(
        "/cloudwatch/{clusterName:str}/metrics",
        sync_to_thread=True,
        **openapi_docs(
            "listMetricNames", "List the metrics of a cluster", problems=(404,), scope=Scope.CLUSTER_READ
        ),
    )
    def metric_names(
        self,
        cluster: ClusterInPath,
        api: NamedDependency[Api],
    ) -> MetricNamesResponse:
        """List a cluster's metrics."""
        return MetricNamesResponse(
            cluster_name=cluster, metric_names=list(api.services.cluster_reader.metric_names(cluster))
        )
