from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from application.errors import DependencyUnavailable
from application.use_cases.check_health import CheckHealth
from entrypoints.http.operations import described
from entrypoints.http.schemas.others import Dependency, HealthResponse, LiveResponse, ReadyResponse
from entrypoints.settings import Settings


class NotReady(DependencyUnavailable):
    """Some parts of the service do not answer.

    Attributes:
        dependencies: The health of each part.
    """

    def __init__(self, dependencies: list[Dependency]) -> None:
        failing = ", ".join(part.name for part in dependencies if not part.healthy)
        super().__init__(failing, "no answer, or not in time")
        self.dependencies = dependencies


class HealthController(Controller):
    """Whether the service answers."""

    tags = ("Health",)

    @get("/api/health", sync_to_thread=False, **described("Get the service's health", "Asks no other part."))
    def health(self, settings: NamedDependency[SkipValidation[Settings]]) -> HealthResponse:
        """Say that the service answers."""
        return HealthResponse(status="healthy", environment=settings.environment)

    @get("/health/live", sync_to_thread=False, **described("Get whether the process answers"))
    def live(self) -> LiveResponse:
        """Say that the process answers."""
        return LiveResponse(status="live")

    @get(
        "/health/ready",
        sync_to_thread=True,
        **described("Get whether every part of the service answers", problems=(503,)),
    )
    def ready(self, check_health: NamedDependency[SkipValidation[CheckHealth]]) -> ReadyResponse:
        """Say that every part of the service answers."""
        dependencies = [
            Dependency(name=part.name, healthy=part.is_healthy, detail=part.detail, took_ms=part.took_ms)
            for part in check_health()
        ]
        if not all(part.healthy for part in dependencies):
            raise NotReady(dependencies)
        return ReadyResponse(status="ready", dependencies=dependencies)
