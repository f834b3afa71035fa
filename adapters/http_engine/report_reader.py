from adapters.http_engine import outcome
from adapters.http_engine.answer import names_one_of, read_answer, read_error
from adapters.http_engine.troubles import MayHaveStarted
from application.ports.engine_report_reader import EngineReportReader
from application.ports.execution_engine import EngineReport
from domain.errors import InvalidValue
from domain.job import Job
from domain.job_lifecycle import Reason


class RunnerReportReader(EngineReportReader):
    """Reads reports in the form of a runner's answer; one with an `error` instead of an outcome is a failure.

    A report must name its job, by its id, the execution's, or the key of its code.

    Args:
        inline_bytes: How much of each stream a result carries.
    """

    def __init__(self, inline_bytes: int) -> None:
        self._inline_bytes = inline_bytes

    def read(self, report: bytes, job: Job) -> EngineReport:
        """Read a report."""
        expected = {
            "code_key": job.spec.code_key.value,
            "job_id": str(job.id),
            "execution_id": str(job.current_execution_id),
        }
        try:
            if not names_one_of(report, expected):
                # What is signed does not say where it was sent to: without this, it could be sent elsewhere.
                raise InvalidValue("report", f"must say whose it is: {' or '.join(expected)}")
            failure = read_error(report)
            if failure is not None:
                return outcome.failed(Reason.ENGINE_ERROR, f"The engine reported an error: {failure}")
            answer = read_answer(report, expected)
        except MayHaveStarted as error:
            raise InvalidValue("report", str(error)) from error
        return outcome.report(answer, job.spec.limits, self._inline_bytes, note=None)
