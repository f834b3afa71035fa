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
    """Bytes that a program wrote, and where in its stream they begin.

    Attributes:
        at: When the service received them, if that is known.
    """

    stream: Stream
    offset: int
    data: bytes
    at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageSample:
    """The usage of a program that runs, since its start; a figure that its engine does not know is None.

    Attributes:
        memory_mb: The memory of all its processes now.
        processes: The number of its processes and threads now.
    """

    execution_time_ms: int
    cpu_time_ms: int
    memory_mb: float | None = None
    processes: int | None = None


OutputListener = Callable[[OutputChunk | UsageSample], None]


class OutputFeed(ABC):
    """Output of running programs, as it is written. The kept part is bounded; the log has it all."""

    @abstractmethod
    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Add output of a program. Never blocks for a slow reader and never raises."""

    @abstractmethod
    def measure(self, execution_id: ExecutionId, sample: UsageSample) -> None:
        """Pass the usage of a program on; a later follower gets the last one. Never raises, as `append`."""

    @abstractmethod
    def close(self, execution_id: ExecutionId) -> None:
        """Forget an execution that has ended."""

    @abstractmethod
    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return the kept output of an execution, also after its process was killed. Never raises."""

    @abstractmethod
    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with the kept output and with the next, in order; return a function that ends that.

        Between the output comes the usage of the program, while it runs. A listener is called on another
        thread, so it returns at once and does not raise.
        """
