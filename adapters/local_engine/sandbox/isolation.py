from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.supervisor.protocol import SpawnRequest


@dataclass(frozen=True, slots=True)
class Launch:
    """A spawn request, and the descriptors that it numbers."""

    request: SpawnRequest
    descriptors: Sequence[int] = ()


class Isolation(ABC):
    """What stands between a program and the machine."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What it is called, for people."""

    @property
    @abstractmethod
    def is_isolated(self) -> bool:
        """Whether a hostile program can neither see nor touch what is not its own."""

    @property
    @abstractmethod
    def control_groups(self) -> str:
        """Say where control groups are, or why there are none and what to do about it."""

    @abstractmethod
    def drop_control_groups(self, trouble: str) -> bool:
        """Go on without control groups, where no program starts in one; return whether there were some."""

    @abstractmethod
    def limits(self) -> Mapping[str, str]:
        """Say for each limit how it is enforced, or that it is not."""

    @abstractmethod
    def prepare(self, program: Program) -> AbstractContextManager[Launch]:
        """Make a program's place ready, for as long as the context lasts."""

    @abstractmethod
    def open(self) -> None:
        """Make ready to confine programs.

        Raises:
            DependencyUnavailable: This machine cannot; the message says why and what to do.
        """

    @abstractmethod
    def clear(self) -> None:
        """End what programs of a supervisor that was killed have left, as far as it can be found."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what was made ready, once no program is left."""
