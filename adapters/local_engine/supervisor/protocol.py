"""What the engine and its supervisor say to each other, as JSON in datagrams of a Unix socket."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Self

# Where a program that is built first announces that the build is over. Closed before the program starts.
STAGE_DESCRIPTOR = 3
# The order itself, the socket of the run, and the program's stdin, stdout and stderr.
FIXED_DESCRIPTORS = 5
MAX_DESCRIPTORS = 16
MAX_EVENT_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A program to start, and how to confine it.

    Attributes:
        argv: The whole command line; the first is an absolute path.
        env: The whole environment.
        directory: Where it starts.
        timeout_ms: Wall time from the start, or from the end of the build if there is one.
        build_timeout_ms: Wall time of the build that `argv` begins with; None if there is none.
        rlimits: Soft and hard limits by the names that setrlimit(2) gives them, without RLIMIT_.
        descriptors: The numbers at which the program inherits the further descriptors that were sent.
        user: The user and group id to become; None to stay who the supervisor is.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    directory: str
    timeout_ms: int
    build_timeout_ms: int | None = None
    rlimits: Mapping[str, Sequence[int]] = field(default_factory=dict)
    descriptors: Sequence[int] = ()
    user: int | None = None

    def encode(self) -> bytes:
        """Write the order down."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an order."""
        return cls(**json.loads(data))


class EventKind(StrEnum):
    """What a supervisor tells about a run. `FAILED` and `ENDED` are the last."""

    STARTED = "started"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a run.

    Attributes:
        built: Whether the build, if there is one, had succeeded.
        timed_out: Whether wall time ran out.
        wall_ms: How long the program ran, from its start to the end of its first process.
        cpu_ms: Processor time of all its processes, the build excluded.
        memory_kb: The largest resident set of any of its processes.
        error: Why it could not be started.
    """

    kind: EventKind
    built: bool = True
    timed_out: bool = False
    exit_code: int | None = None
    signal: int | None = None
    wall_ms: int = 0
    cpu_ms: int = 0
    memory_kb: int = 0
    error: str = ""

    def encode(self) -> bytes:
        """Write the event down."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an event."""
        fields = json.loads(data)
        return cls(**fields | {"kind": EventKind(fields["kind"])})
