"""The banner on every page while the engine is down."""

from collections.abc import Sequence

from application.queries.cluster_reader import ClusterReader
from application.use_cases.check_health import CheckHealth, DependencyHealth
from domain.caller import Scope
from domain.catalogue.text import Text, text
from entrypoints.http.dashboard.visitor import Visitor

_ENGINE = "engine"


class EngineBanner:
    """The sentence that the engine is down, with its address for visitors who may read the cluster."""

    def __init__(self, check_health: CheckHealth, cluster_reader: ClusterReader) -> None:
        self._check_health = check_health
        self._cluster_reader = cluster_reader

    def known(self, visitor: Visitor) -> Text | None:
        """Return the banner from the last health check, without a new one; None if the engine is healthy."""
        return self._text(visitor, self._check_health.last)

    def checked(self, visitor: Visitor) -> Text | None:
        """Return the banner from a new health check; None if the engine is healthy."""
        return self._text(visitor, self._check_health())

    def _text(self, visitor: Visitor, parts: Sequence[DependencyHealth]) -> Text | None:
        if all(part.is_healthy for part in parts if part.name == _ENGINE):
            return None
        addresses = self._cluster_reader.addresses() if visitor.may(Scope.CLUSTER_READ) else ()
        if not addresses:
            return text("cluster.engine_down")
        return text("cluster.engine_down_at", addresses=", ".join(addresses))
