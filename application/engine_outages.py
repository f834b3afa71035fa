"""The languages that an engine can start programs in, while its runners of others are away."""

from application.ports.execution_engine import ExecutionEngine


def startable_languages(engine: ExecutionEngine) -> frozenset[str] | None:
    """Return the languages that executions are to be claimed in; None for all of them."""
    paused = engine.paused_languages()
    if not paused:
        return None
    return frozenset(support.language.name for support in engine.languages()) - paused
