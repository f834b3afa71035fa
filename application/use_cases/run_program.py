"""Command: run the program of a claimed execution."""

import logging
from contextlib import closing
from functools import partial

from application.claim_observer import ClaimObserver, ExecutionProgress
from application.claims import Claim
from application.errors import SecretsUnavailable
from application.ports.clock import Clock
from application.ports.execution_engine import EngineReport, ExecutionEngine, ExecutionRequest
from application.ports.measurements import Measurements
from application.ports.output_feed import OutputFeed
from application.ports.secret_sealer import SecretSealer
from application.ports.tracing import Tracing
from application.use_cases.run_cases import RunCases
from domain.catalogue.text import said_by, text
from domain.execution import Execution, ExecutionResult
from domain.job_lifecycle import Reason

logger = logging.getLogger("service_server.executions")


class RunProgram:
    """Runs the program of a claimed execution on the engine, or the cases of its job.

    * The start, the notes and the output are recorded and forwarded while the program runs.
    * Secret variables are opened only when the engine is about to start the program. A job whose secrets
      cannot be opened here fails.
    * A job ends in spite of a bug in its engine: it fails as `internal`.
    """

    def __init__(
        self,
        engine: ExecutionEngine,
        run_cases: RunCases,
        progress: ExecutionProgress,
        output_feed: OutputFeed,
        secret_sealer: SecretSealer,
        measurements: Measurements,
        tracing: Tracing,
        clock: Clock,
    ) -> None:
        self._engine = engine
        self._run_cases = run_cases
        self._progress = progress
        self._output_feed = output_feed
        self._secret_sealer = secret_sealer
        self._measurements = measurements
        self._tracing = tracing
        self._clock = clock

    def __call__(self, claim: Claim) -> tuple[EngineReport | None, Execution]:
        """Run the program to its end.

        Returns:
            The engine's report, which is None if the engine will report later; and the execution with its
            recorded start.
        """
        job, execution = claim.job, claim.execution
        request = ExecutionRequest(
            execution_id=execution.id,
            job_id=job.id,
            spec=job.spec if execution.stdin is None else job.spec.without_stdin(),
            tenant=job.tenant,
            stdin=job.spec.stdin if execution.stdin is None else execution.stdin,
            open_secrets=partial(self._secret_sealer.open_any, job.id, job.spec.secrets),
        )
        observer = ClaimObserver(
            claim, self._progress, self._output_feed, self._measurements, self._tracing, self._clock
        )
        try:
            with (
                self._tracing.span("engine", {"service_server.engine": self._engine.name}),
                closing(observer),
            ):
                report = (
                    self._engine.execute(request, observer)
                    if job.spec.cases is None
                    else self._run_cases(job, request, observer)
                )
        except SecretsUnavailable as error:
            logger.warning("execution %s cannot start: %s", execution.id, error)
            report = EngineReport(
                ExecutionResult.failed(
                    Reason.SECRETS_UNAVAILABLE, text("outcomes.not_started_because", cause=said_by(error))
                )
            )
        except Exception:
            logger.exception("the engine failed on execution %s", execution.id)
            report = EngineReport(ExecutionResult.failed(Reason.INTERNAL, text("outcomes.engine_failed")))
        finally:
            self._output_feed.close(execution.id)
        if report is not None:
            report.arrivals = observer.recorder.arrivals
        return report, observer.execution
