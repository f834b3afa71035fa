from adapters.local_engine.engine import LocalEngine
from application.ports.execution_engine import EngineReport, ExecutionObserver, ExecutionRequest

_READY_WITHIN_S = 90


class WarmEngine(LocalEngine):
    """Waits for a prewarmed interpreter, so that no program starts cold because the last one used it up."""

    def execute(self, request: ExecutionRequest, observer: ExecutionObserver) -> EngineReport:
        assert self.wait_until_warm(_READY_WITHIN_S)
        return super().execute(request, observer)
