"""The reports of the local engine."""

from dataclasses import replace

from adapters.local_engine.sandbox.outcome import Outcome
from application.ports.execution_engine import EngineReport
from domain.catalogue.text import Text
from domain.execution import ExecutionResult, Note
from domain.job_lifecycle import Reason


def report_of(outcome: Outcome) -> EngineReport:
    """Return the report of a run."""
    report = EngineReport(
        outcome.result,
        outcome.stdout,
        outcome.stderr,
        is_startable=outcome.is_startable,
        is_refused=outcome.is_startable,
    )
    collected = outcome.collected
    if collected is None:
        return report
    notes = [Note.ARTIFACTS_LEFT_OUT] * bool(collected.left_out) + [Note.ARTIFACTS_LOST] * collected.are_lost
    if notes:
        report.result = replace(outcome.result, notes=(*outcome.result.notes, *notes))
    report.artifacts, report.spool = collected.files, collected.spool
    return report


def failure(reason: Reason, message: Text | str) -> EngineReport:
    """Return the report of a failure."""
    return EngineReport(ExecutionResult.failed(reason, message))
