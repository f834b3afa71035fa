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
    """The result of an execution that is not recorded yet, because the log store or database is unavailable.

    Attributes:
        result: The result, with the key that the log will have.
        ended_at: When this process learned of the program's end.
        log_bytes: The size of its log.
        has_log: Whether its log is kept with it and must be stored before the result is recorded.
    """

    execution_id: ExecutionId
    job_id: JobId
    result: ExecutionResult
    ended_at: datetime
    log_bytes: int = 0
    has_log: bool = True


class ResultSpool(ABC):
    """Results and logs that wait on this machine's disk for the log store or the database.

    They survive the process. Each has a name. Every method raises StorageUnavailable if the disk is full or
    refuses the operation.
    """

    @abstractmethod
    def is_full(self) -> bool:
        """Whether there is no more room, so that nothing should be claimed. Cheap: called for each claim."""

    @abstractmethod
    def keep(self, kept: KeptResult, log: IO[bytes]) -> None:
        """Keep a result and its log, read from the stream's position to its end; both survive a power cut."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Return the names of the kept results, oldest first."""

    @abstractmethod
    def executions(self) -> Collection[ExecutionId]:
        """Return the executions whose results are kept."""

    @abstractmethod
    def opened(self, name: str) -> AbstractContextManager[tuple[KeptResult, IO[bytes]] | None]:
        """Return a result and its log, locked for this caller; None if another has it, or if it is gone."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Remove a result and its log."""
