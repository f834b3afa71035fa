from collections.abc import Sequence

from application.ports.execution_engine import ExecutionEngine, LanguageSupport


class ListLanguages:
    """List the languages that jobs can be written in, and whether they run here."""

    def __init__(self, engine: ExecutionEngine) -> None:
        self._engine = engine

    def __call__(self) -> Sequence[LanguageSupport]:
        """Return the languages that the engine knows."""
        return self._engine.languages()
