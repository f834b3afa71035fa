from collections.abc import Sequence
from dataclasses import dataclass

from application.ports.dashboard_queries import DashboardQueries, QueueState
from application.ports.execution_engine import EngineDescription, ExecutionEngine, LanguageSupport


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineState:
    """What programs run on, and how busy it is.

    Attributes:
        slots: How many programs each worker runs at once.
    """

    description: EngineDescription
    languages: Sequence[LanguageSupport]
    slots: int
    queue: QueueState


class DescribeEngine:
    """Tell what runs programs, how it keeps them in their place, and what waits for it."""

    def __init__(self, engine: ExecutionEngine, dashboard_queries: DashboardQueries, slots: int) -> None:
        self._engine = engine
        self._dashboard_queries = dashboard_queries
        self._slots = slots

    def __call__(self) -> EngineState:
        """Return the engine's state."""
        return EngineState(
            description=self._engine.describe(),
            languages=self._engine.languages(),
            slots=self._slots,
            queue=self._dashboard_queries.queue(),
        )
