"""The port to the format of an engine's reports."""

from abc import ABC, abstractmethod

from application.ports.execution_engine import EngineReport
from domain.job import Job


class EngineReportReader(ABC):
    """Reads an engine's report about an execution that was delegated to it."""

    @abstractmethod
    def read(self, report: bytes, job: Job) -> EngineReport:
        """Read a report.

        Raises:
            InvalidValue: It is not a valid report, or belongs to another job.
        """
