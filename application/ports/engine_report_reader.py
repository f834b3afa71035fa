from abc import ABC, abstractmethod

from application.ports.execution_engine import EngineReport
from domain.job import Job


class EngineReportReader(ABC):
    """Reads what an engine sends of an execution that it was delegated with."""

    @abstractmethod
    def read(self, report: bytes, job: Job) -> EngineReport:
        """Read a report.

        Raises:
            InvalidValue: It is no report, or that of another job.
        """
