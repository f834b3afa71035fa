"""Reader of the reports that runners send when a delegated execution has ended."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.http_engine import outcome
from adapters.http_engine.answer import believe, error_in, names_one_of, parse, reading
from adapters.http_engine.engine_errors import MayHaveStarted
from adapters.http_engine.failures import recognise
from adapters.http_engine.messages import error_line, shown
from application.ports.engine_report_reader import EngineReportReader
from application.ports.execution_engine import EngineReport
from domain.catalogue.text import said_by, text
from domain.errors import InvalidValue
from domain.job import Job
from domain.job_lifecycle import Reason
from domain.limits import Limits


class RunnerReportReader(EngineReportReader):
    """Reads reports that have the format of a runner's answer, or an `error` in place of an outcome.

    A report must identify its job: by the job's id, the execution's id, or the key of the code.

    Args:
        inline_bytes: The maximum size of each stream in a result.
        spool_directory: The directory for streams that are too large for memory; None for the system's
            temporary directory.
    """

    def __init__(self, inline_bytes: int, spool_directory: Path | None = None) -> None:
        self._inline_bytes = inline_bytes
        self._spool_directory = spool_directory

    def read(self, report: bytes, job: Job) -> EngineReport:
        """Read a report."""
        expected = {
            "code_key": job.spec.code_key.value,
            "job_id": str(job.id),
            "execution_id": str(job.current_execution_id),
        }
        try:
            with reading(len(report)):
                return self._read(parse(report), expected, job.spec.limits)
        except MayHaveStarted as error:
            raise InvalidValue("report", said_by(error)) from error

    def _read(self, fields: Mapping[str, Any], expected: Mapping[str, str], limits: Limits) -> EngineReport:
        if not names_one_of(fields, expected):
            # The signature does not cover the URL: without this check, a report could be sent to another
            # job's URL.
            raise InvalidValue("report", f"must name its execution by {' or '.join(expected)}")
        error = error_in(fields)
        if error is not None:
            known = recognise(error)
            if known is not None:
                return EngineReport(known)
            said = shown(error_line(error))
            return outcome.failed(Reason.ENGINE_ERROR, text("outcomes.engine_reported", said=said))
        return outcome.report(believe(fields, expected), limits, self._inline_bytes, self._spool_directory)
