"""Projects, languages, metrics and health, as callers see them."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from domain.project import ProjectStatus


class ProjectResponse(Struct, kw_only=True):
    """A project."""

    project_id: Annotated[int, Meta(examples=[3])]
    project: Annotated[str, Meta(description="Its name.", examples=["hello"])]
    description: Annotated[str, Meta(description="Empty where none was given.", examples=["First steps"])]
    status: ProjectStatus
    created_at: datetime


class LanguageResponse(Struct, kw_only=True):
    """A language, and whether it runs here."""

    name: Annotated[str, Meta(description="As an upload names it.", examples=["python"])]
    extension: Annotated[str, Meta(examples=[".py"])]
    available: bool
    version: Annotated[str | None, Meta(examples=["3.11.2"])]
    unavailable_because: Annotated[str | None, Meta(description="Why not, and what to do.", examples=[None])]


class MetricPoint(Struct, kw_only=True):
    """How busy a cluster was in the period that begins at a time, in percent."""

    timestamp: datetime
    cpu_utilization: Annotated[float | None, Meta(examples=[12.5])]
    memory_utilization: Annotated[float | None, Meta(examples=[40.25])]


class ClusterMetricsResponse(Struct, kw_only=True):
    """How busy a cluster was, ascending in time."""

    cluster_name: Annotated[str, Meta(examples=["local"])]
    metrics: list[MetricPoint]


class MetricNamesResponse(Struct, kw_only=True):
    """What is measured of a cluster, sorted."""

    cluster_name: Annotated[str, Meta(examples=["local"])]
    metric_names: Annotated[list[str], Meta(examples=[["CPUUtilization", "MemoryUtilization"]])]


class ReportResponse(Struct, kw_only=True):
    """What became of an engine's report."""

    execution_id: str
    counted: Annotated[bool, Meta(description="False for a report that came late or twice.", examples=[True])]


class HealthResponse(Struct, kw_only=True):
    """That the service answers."""

    status: Annotated[str, Meta(examples=["healthy"])]
    environment: Annotated[str, Meta(examples=["development"])]


class LiveResponse(Struct, kw_only=True):
    """That the process answers."""

    status: Annotated[str, Meta(examples=["live"])]


class Dependency(Struct, kw_only=True):
    """Whether a part of the service answers."""

    name: Annotated[str, Meta(examples=["database"])]
    healthy: bool
    required: Annotated[bool, Meta(description="Whether no work is taken without it.", examples=[True])]
    detail: Annotated[str | None, Meta(description="Why not.", examples=[None])]
    took_ms: Annotated[float, Meta(examples=[0.4])]


class ReadyResponse(Struct, kw_only=True):
    """That the service can take work, and which parts of it answer."""

    status: Annotated[Literal["ready", "degraded"], Meta(examples=["ready"])]
    dependencies: list[Dependency]
