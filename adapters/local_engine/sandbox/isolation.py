"""The ways to keep programs from the machine: bubblewrap, and none."""

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
    """A spawn request, and the descriptors that the program inherits, by the numbers that they have there."""

    request: SpawnRequest
    descriptors: Mapping[int, int]


class Isolation(ABC):
    """The barrier between a program and the machine.

    Attributes:
        name: For people.
        is_isolated: Whether a hostile program can neither see nor touch anything but its own.
        control_groups: The place of control groups, or the cause of there being none, and the remedy.
        limits_address_space: Whether RLIMIT_AS is in force where a program has it: no control group counts.
    """

    name: str
    is_isolated: bool
    control_groups: Text
    limits_address_space = True

    def find_control_groups(self, supervisor: int | None) -> None:  # noqa: B027 - there are none
        """Find the place of control groups for the programs of a supervisor.

        Args:
            supervisor: Its process id; None if it has ended.
        """

    def adopt(self, supervisor: int) -> None:  # noqa: B027 - there are none
        """Put a supervisor that was started in the place of another where its control groups are.

        Raises:
            OSError: That cannot be.
        """

    @property
    def user_namespace(self) -> UserNamespace | None:
        """The namespace of user ids for a supervisor; None for that of this process."""
        return None

    @property
    def counts_files(self) -> bool:
        """Whether a program's files in memory are counted as its memory."""
        return False

    def drop_control_groups(self, trouble: str) -> bool:  # noqa: ARG002 - there are none
        """Stop using control groups, since no program starts in one; return whether there were some."""
        return False

    def missing(self) -> Sequence[Text]:
        """Return the guarantees that this host does not give, each with its remedy."""
        return ()

    def starts_at_once(self, program: Program) -> bool:  # noqa: ARG002 - none does
        """Whether a program starts as soon as its sandbox is made, without an event."""
        return False

    def fitted(self, program: Program) -> Program:
        """Return a program with its limits lowered to the part of the host that it may take."""
        return program

    @abstractmethod
    def limits(self) -> Mapping[str, Text]:
        """Return the enforcement of each limit, or that there is none."""

    @abstractmethod
    def prepare(self, program: Program) -> AbstractContextManager[Launch]:
        """Prepare the launch of a program, whose place lasts as long as the context."""

    @abstractmethod
    def open(self) -> None:
        """Prepare to isolate programs.

        Raises:
            DependencyUnavailable: This machine cannot; the message has the cause and the remedy.
        """

    def clear(self) -> None:  # noqa: B027 - a process that left its parent looks like any other of this user
        """End the programs that a killed supervisor has left, as far as they can be found."""

    @abstractmethod
    def close(self) -> None:
        """Release everything, once no program is left."""
