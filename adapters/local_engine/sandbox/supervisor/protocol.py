"""What the engine and its supervisor say to each other, as JSON in datagrams of a Unix socket."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from adapters.local_engine.sandbox.supervisor.cgroups import CgroupPlan

# Where what comes before a program announces its start, or that it is parked. No program can write to it.
STATUS_DESCRIPTOR = 3
ANNOUNCEMENT = b"\n"
# What comes before it, around a build.
BUILD_BEGINS, BUILD_ENDED = b"build\n", b"built\n"
# The entrances of the program's control groups, in which a shell writes 0 to join them. It closes them before
# it may have a use of its own for 4.
ENTRANCE_DESCRIPTORS = (4, 5, 6)
# The start pipe: what comes before a program waits there for the word to become it, and a parked interpreter
# for the limits of its job as well.
START_DESCRIPTOR = 7
# Where the reaper of a program reports, in the same pipe as STATUS_DESCRIPTOR; see reaper/.
REPORT_DESCRIPTOR = 5
MAX_DESCRIPTORS = 16
MAX_MESSAGE_BYTES = 4096
# What the engine says at a life line, beside a parked program's allowance: end the program, or start it.
STOP, GO = b"\0", b"\1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A file system in memory, seen by one program only.

    Attributes:
        directory: Where it is mounted in the program's view.
    """

    directory: str
    size_mb: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rootfs:
    """What a program sees of this machine, before it is confined to that.

    Attributes:
        argv: The command line that puts it together and becomes a program in it, which says its process id
            and waits.
        files: What it reads, at the descriptors from 3 on.
        edition: Differs when the same command line would show other files.
    """

    argv: tuple[str, ...]
    files: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits:
    """What a program may use.

    Attributes:
        timeout_ms: Wall time from the start, or from the end of the build if there is one.
        cpu_time_ms: Processor time of the whole tree, the build excluded.
        memory_mb: Memory of the whole tree, if there is a cgroup or `samples_memory`.
        processes: How many there may be at once, if there is a cgroup.
        rlimits: For a parked program: soft and hard limits by the names that setrlimit(2) gives them,
            without RLIMIT_.
    """

    timeout_ms: int
    cpu_time_ms: int
    memory_mb: int
    processes: int
    rlimits: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Write it down."""
        return _encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read it."""
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest:
    """A program to start, and how to confine it.

    Attributes:
        argv: The whole command line; the first is an absolute path. It joins the control groups, limits
            itself, announces at STATUS_DESCRIPTOR the beginning and the end of the build, if there is one,
            and that the program is ready, and starts it when START_DESCRIPTOR brings a line.
        env: The whole environment.
        directory: Where it starts.
        allowance: What it may use.
        build_timeout_ms: Wall time of the build that `argv` begins with; None if there is none.
        build_cpu_time_ms: Processor time of the whole tree during the build.
        build_memory_mb: Memory of the whole tree during the build.
        build_processes: How many processes there may be at once during the build, if there is a cgroup.
        descriptors: The numbers at which the program inherits the further descriptors that were sent.
        user: The user and group id to become; None to stay who the supervisor is.
        cgroup: Where to make a control group for the run.
        samples_memory: Whether to look at the tree's memory from time to time, for want of a cgroup.
        view: Where the program starts; None for what the supervisor sees itself.
        scratch: A file system of the program's own in that view.
        exits_for_signals: Whether a shell stands in for the program: it then says 128 + n for a signal n,
            and has a word to say at STATUS_DESCRIPTOR.
        parks: Whether the program waits at START_DESCRIPTOR for a job and its allowance, which the life line
            brings. Until then it uses no time.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    directory: str
    allowance: ResourceLimits
    build_timeout_ms: int | None = None
    build_cpu_time_ms: int = 0
    build_memory_mb: int = 0
    build_processes: int = 0
    descriptors: Sequence[int] = ()
    user: int | None = None
    cgroup: CgroupPlan | None = None
    samples_memory: bool = False
    view: Rootfs | None = None
    scratch: Tmpfs | None = None
    exits_for_signals: bool = False
    parks: bool = False

    def encode(self) -> bytes:
        """Write the order down."""
        return _encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an order."""
        fields = json.loads(data)
        fields["allowance"] = ResourceLimits(**fields["allowance"])
        fields["cgroup"] = CgroupPlan(**fields["cgroup"]) if fields["cgroup"] else None
        if view := fields["view"]:
            fields["view"] = Rootfs(**view | {"argv": tuple(view["argv"]), "files": tuple(view["files"])})
        fields["scratch"] = Tmpfs(**fields["scratch"]) if fields["scratch"] else None
        return cls(**fields)


class RunEventKind(StrEnum):
    """What a supervisor tells about a run. `FAILED` and `ENDED` are the last.

    After `READY` nothing happens before the engine says `GO`: not one instruction of the program. Where the
    engine has said so before, the program starts at once.
    """

    PARKED = "parked"
    READY = "ready"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent:
    """Something that happened to a run.

    Attributes:
        announced: Whether the program was ready to start: else the build failed, or the box.
        in_build: Whether the build had begun, and had not ended well.
        limit: The limit that was hit, by its name in `Limits`, as far as the supervisor can tell; during a
            build with `build_` before it.
        wall_ms: How long the program ran, from its start to the end of its first process; or the build, if it
            came no further.
        cpu_ms: Processor time of all its processes, or of the build's.
        memory_kb: The largest resident set of the program, or of a process that it waited for.
        tree_memory_kb: The largest memory of all of them together; 0 if that is not known.
        error: Why it could not be started, or followed to its end.
    """

    kind: RunEventKind
    announced: bool = True
    in_build: bool = False
    limit: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    wall_ms: int = 0
    cpu_ms: int = 0
    memory_kb: int = 0
    tree_memory_kb: int = 0
    error: str = ""

    def encode(self) -> bytes:
        """Write the event down."""
        return _encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read an event."""
        fields = json.loads(data)
        return cls(**fields | {"kind": RunEventKind(fields["kind"])})


def reason_of(error: OSError) -> str:
    """Return what an event says of an error."""
    return error.strerror or "there is no reason given"


def _encode(message: object) -> bytes:
    return json.dumps(message, default=_fields).encode()


def _fields(message: object) -> Mapping[str, object]:
    """Return the fields of a dataclass with slots as they are; `asdict` would copy whatever is in them."""
    return {name: getattr(message, name) for name in message.__slots__}  # type: ignore[attr-defined]
