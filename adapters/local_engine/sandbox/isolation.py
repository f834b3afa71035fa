"""The interface of isolation, which is implemented by bubblewrap and by unsandboxed processes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from adapters.local_engine.sandbox.program import Program
from adapters.local_engine.sandbox.subordinate_ids import UserNamespace
from adapters.local_engine.sandbox.supervisor.protocol import SpawnRequest
from domain.catalogue.text import Text


@dataclass(frozen=True, slots=True)
class Launch:
    """A spawn request, and our descriptors that the program inherits, by their numbers in the program."""

    request: SpawnRequest
    descriptors: Mapping[int, int]


class Isolation(ABC):
    """Isolates programs from the machine.

    Attributes:
        name: The name for people.
        is_isolated: Whether a hostile program can neither see nor change anything outside of its sandbox.
        control_groups: The place of the control groups; without any, the cause and the remedy.
        limits_address_space: Whether a program's RLIMIT_AS is in force, because no control group counts its
            memory.
    """

    name: str
    is_isolated: bool
    control_groups: Text
    limits_address_space = True

    def find_control_groups(self, supervisor: int | None) -> None:  # noqa: B027 - there are none
        """Find the place of control groups for programs.

        Args:
            supervisor: The process id of the supervisor; None if it has ended.
        """

    def adopt(self, supervisor: int) -> None:  # noqa: B027 - there are none
        """Move a restarted supervisor to the control groups of its predecessor.

        Raises:
            OSError: The supervisor cannot be moved.
        """

    @property
    def user_namespace(self) -> UserNamespace | None:
        """The user namespace for the supervisor; None for the namespace of this process."""
        return None

    @property
    def counts_files(self) -> bool:
        """Whether a program's files in memory count towards its memory limit."""
        return False

    def drop_control_groups(self, trouble: str) -> bool:  # noqa: ARG002 - there are none
        """Stop using control groups, because programs cannot start in them; return whether any were used."""
        return False

    def missing(self) -> Sequence[Text]:
        """Return the guarantees that this machine cannot give, each with its remedy."""
        return ()

    def starts_at_once(self, program: Program) -> bool:  # noqa: ARG002 - none does
        """Whether a program starts as soon as its sandbox is made, without a READY event."""
        return False

    def fitted(self, program: Program) -> Program:
        """Return a program with its limits lowered to its share of this machine."""
        return program

    @abstractmethod
    def limits(self) -> Mapping[str, Text]:
        """Return how each limit is enforced, or that it is not."""

    @abstractmethod
    def prepare(self, program: Program) -> AbstractContextManager[Launch]:
        """Prepare the launch of a program. The program's directory exists while the context lasts."""

    @abstractmethod
    def open(self) -> None:
        """Prepare to isolate programs.

        Raises:
            DependencyUnavailable: This machine cannot isolate programs; the message has the cause and the
                remedy.
        """

    def clear(self) -> None:  # noqa: B027 - a process that left its parent looks like any other of this user
        """Kill the programs that a killed supervisor left behind, as far as they can be found."""

    @abstractmethod
    def close(self) -> None:
        """Release all resources, after the last program has ended."""
