"""The port to the live output of programs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.values import ExecutionId


class Stream(StrEnum):
    """The two streams that a program writes to."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Bytes that a program wrote, and their offset in the stream.

    Attributes:
        at: When the service received them, if known.
    """

    stream: Stream
    offset: int
    data: bytes
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSample:
    """The usage of a running program since its start; figures that its engine does not know are None.

    Attributes:
        memory_mb: The current memory of all its processes.
        processes: The current number of its processes and threads.
    """

    execution_time_ms: int
    cpu_time_ms: int
    memory_mb: float | None = None
    processes: int | None = None


OutputListener = Callable[[OutputChunk | UsageSample], None]


class OutputFeed(ABC):
    """The output of running programs, as it is written. Only a bounded part is kept; the log has all."""

    @abstractmethod
    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Add output of a program. Never blocks for a slow reader, and never raises."""

    @abstractmethod
    def measure(self, execution_id: ExecutionId, sample: UsageSample) -> None:
        """Publish the usage of a program; a later follower gets the last sample. Never blocks or raises."""

    @abstractmethod
    def close(self, execution_id: ExecutionId) -> None:
        """Discard the data of an execution that has ended."""

    @abstractmethod
    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the retained output of an execution, even after its process was killed. Never raises."""

    @abstractmethod
    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with retained and new output, in order; return a function that unsubscribes it.

        While the program runs, its usage is interspersed with the output. A listener is called on another
        thread, so it must return at once and not raise.
        """
