"""The port to results that wait on this machine's disk."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from domain.execution import ExecutionResult
from domain.values import ExecutionId, JobId


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResult:
    """The result of an execution that is not recorded yet, as the log store or the database is away.

    Attributes:
        result: It has the key that the log will have.
        ended_at: When the program's end was known here.
        log_bytes: The size of its log.
        has_log: Whether its log is kept with it, to be stored before the result is recorded.
    """

    execution_id: ExecutionId
    job_id: JobId
    result: ExecutionResult
    ended_at: datetime
    log_bytes: int = 0
    has_log: bool = True


class ResultSpool(ABC):
    """Results and logs that wait for the log store or the database, on this machine's disk.

    They survive the process. Each has a name here. Every method raises StorageUnavailable when the disk is
    full, or refuses.
    """

    @abstractmethod
    def is_full(self) -> bool:
        """Whether no more can be kept, so that no more should be begun. Cheap: asked before each claim."""

    @abstractmethod
    def keep(self, kept: KeptResult, log: IO[bytes]) -> None:
        """Keep a result and its log, from where the stream stands to its end. Both survive a power cut."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Return the names of the results kept, the oldest first."""

    @abstractmethod
    def executions(self) -> Collection[ExecutionId]:
        """Return the executions whose results are kept."""

    @abstractmethod
    def opened(self, name: str) -> AbstractContextManager[tuple[KeptResult, IO[bytes]] | None]:
        """Give a result and its log, locked for this caller; None if another has them, or they are gone."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Forget a result and its log."""
