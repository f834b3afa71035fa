"""The port to an engine's form of report."""

from abc import ABC, abstractmethod

from application.ports.execution_engine import EngineReport
from domain.job import Job


class EngineReportReader(ABC):
    """Reads the report of an engine about an execution that was delegated to it."""

    @abstractmethod
    def read(self, report: bytes, job: Job) -> EngineReport:
        """Read a report.

        Raises:
            InvalidValue: It is no report, or that of another job.
        """
