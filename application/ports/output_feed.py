from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.values import ExecutionId


class Stream(StrEnum):
    """The two streams that a program writes to."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """Bytes that a program wrote, and where in its stream they begin."""

    stream: Stream
    offset: int
    data: bytes


OutputListener = Callable[[OutputChunk], None]


class OutputFeed(ABC):
    """What running programs write, while they write it. What is kept of it is bounded; the log has it all."""

    @abstractmethod
    def append(self, execution_id: ExecutionId, chunk: OutputChunk) -> None:
        """Add what a program wrote. Never blocks for a slow reader and never raises."""

    @abstractmethod
    def close(self, execution_id: ExecutionId) -> None:
        """Forget an execution that has ended."""

    @abstractmethod
    def recall(self, execution_id: ExecutionId) -> Sequence[OutputChunk]:
        """Return what is kept of an execution, also after its process was killed. Never raises."""

    @abstractmethod
    def follow(self, execution_id: ExecutionId, listener: OutputListener) -> Callable[[], None]:
        """Call `listener` with what is kept and with what comes, in order; return what ends that.

        A listener is called on another thread, so it returns at once and does not raise.
        """
