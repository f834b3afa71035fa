"""The health of the service: `/health`, live and ready."""

from typing import Annotated, Literal

from litestar import Controller, get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from application.errors import DependencyUnavailable
from application.use_cases.check_health import DependencyHealth
from entrypoints.http.dependencies import Api
from entrypoints.http.openapi_docs import openapi_docs
from entrypoints.http.presenter import sentence_of
from entrypoints.http.schemas.problem import Dependency


class HealthResponse(Struct, kw_only=True):
    """Confirmation that the service responds."""

    status: Annotated[str, Meta(examples=["healthy"])]
    environment: Annotated[str, Meta(examples=["development"])]


class LiveResponse(Struct, kw_only=True):
    """Confirmation that the process responds."""

    status: Annotated[str, Meta(examples=["live"])]


class ReadyResponse(Struct, kw_only=True):
    """Whether the service can take work, and the health of its dependencies."""

    status: Annotated[Literal["ready", "degraded"], Meta(examples=["ready"])]
    dependencies: list[Dependency]


class NotReady(DependencyUnavailable):
    """Required dependencies do not respond.

    Attributes:
        dependencies: The health of each dependency.
    """

    def __init__(self, dependencies: list[Dependency]) -> None:
        failing = " and ".join(part.name for part in dependencies if part.required and not part.healthy)
        super().__init__(failing, "no response, or not in time")
        self.dependencies = dependencies


class HealthController(Controller):
    """Health of the service."""

    tags = ("Health",)

    @get(
        "/api/health",
        sync_to_thread=False,
        **openapi_docs(
            "getHealth",
            "Get the service's health",
            "Checks only that the process responds, not its dependencies.",
            scope=None,
        ),
    )
    def health(self, api: NamedDependency[Api]) -> HealthResponse:
        """Return the health of the service."""
        return HealthResponse(status="healthy", environment=api.settings.environment)

    @get(
        "/health/live",
        sync_to_thread=False,
        **openapi_docs("getLiveness", "Check that the process responds", scope=None),
    )
    def live(self) -> LiveResponse:
        """Return the liveness of the process."""
        return LiveResponse(status="live")

    @get(
        "/health/ready",
        sync_to_thread=True,
        **openapi_docs(
            "getReadiness",
            "Check that the service can accept work",
            "The service is ready if all required dependencies respond. If another one fails, it is "
            "degraded: jobs are accepted, and wait or fail with a reason. Each dependency has two seconds "
            "to respond.",
            scope=None,
        ),
    )
    def ready(self, api: NamedDependency[Api]) -> ReadyResponse:
        """Return the readiness of the service, and the health of each dependency."""
        dependencies = [_dependency(part) for part in api.services.check_health()]
        failing = [part for part in dependencies if not part.healthy]
        if any(part.required for part in failing):
            raise NotReady(dependencies)
        return ReadyResponse(status="degraded" if failing else "ready", dependencies=dependencies)


def _dependency(part: DependencyHealth) -> Dependency:
    return Dependency(
        name=part.name,
        healthy=part.is_healthy,
        required=part.is_required,
        detail=None if part.detail is None else str(part.detail),
        detail_text=sentence_of(part.detail),
        took_ms=part.took_ms,
    )
