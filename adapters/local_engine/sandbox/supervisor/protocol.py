"""The messages of a sandbox.

From the engine to the supervisor, in datagrams of Unix sockets: a `SpawnRequest` at the supervisor's own
socket, or a byte and the request in a file if it is long, with the run's control socket and the program's
descriptors; then, at the control socket, `STOP`,
`START`, or the `ResourceLimits` of a job, which start an interpreter that waits for one, and move the
deadline of a compiler that does. From the supervisor to the engine, at the control socket: `RunEvent`s.

From the processes of a run to the supervisor, as lines of JSON in the status pipe:

    {"status":"unpacked","cpu_s":0.5}     a child of the supervisor's that unpacks files: the time that took
    {"status":"failed","error":"..."}     the same: it cannot unpack them, or not become the sandbox's maker
    {"status":"building"}                 the launch script: the compiler begins
    {"status":"built"}                    the launch script: the compiler has ended well
    {"status":"waiting"}                  a preload hook: the interpreter waits for a job
    {"status":"ready"}                    either of them: limits are in force, and only the start is missing
    {"status":"ended","wait4":"00..."}    the reaper: the program's status and struct rusage, in hexadecimal

From the supervisor to the launch script or the preload hook: a line in the start pipe starts the program. A
preload hook gets it when the limits of its job are in force.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Self

from adapters.local_engine.sandbox.supervisor.cgroups import CgroupPlan

# The status pipe, of the launch script and the reaper. No program can write to it.
STATUS_DESCRIPTOR = 3
# The entrances of the program's control groups, in which a shell writes 0 to join them.
ENTRANCE_DESCRIPTORS = (4, 5, 6)
START_DESCRIPTOR = 7
# Of a start by a plan: the plan, and the entrances of all control groups.
PLAN_DESCRIPTOR = 4
PLAN_ENTRANCES = (5, 6, 7, 8)
# The size of a map of user ids, and of the name before the two of them, in the first argument of the reaper.
MAP_BYTES = 32
PLANNED_NAME_BYTES = 16
# The status pipe of a preload hook.
HOOK_STATUS_DESCRIPTOR = 8
# Packed files of the program's directory, which the supervisor takes, and no program inherits.
FILES_DESCRIPTOR = 14
MAX_DESCRIPTORS = 16
# In the mount namespace of a root file system: that, an empty directory, and the place of a program's mounts.
VIEW, NOTHING, BOX = "/view", "/nothing", "/box"
# The user and group id that every program has in its sandbox.
USER = 1000
MAX_MESSAGE_BYTES = 4096
# A longer request comes in a file, the first of the descriptors, and the message is IN_FILE.
MAX_REQUEST_BYTES = 32_768
IN_FILE = b"\0"
STOP, START = b"\0", b"\1"


class Status(StrEnum):
    """The steps of a run, in this order.

    After `READY` nothing happens before `START`: not one instruction of the program. Where `START` has come
    before, the program starts at once. `USAGE` alone comes again and again, and never from the status pipe.
    """

    UNPACKED = "unpacked"
    FAILED = "failed"
    BUILDING = "building"
    BUILT = "built"
    WAITING = "waiting"
    READY = "ready"
    USAGE = "usage"
    ENDED = "ended"

    @property
    def line(self) -> str:
        """The message."""
        return f'{{"status":"{self.value}"}}'


class _Message:
    __slots__ = ()

    def encode(self) -> bytes:
        """Return the message."""
        return json.dumps(self, default=_fields).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A file system in memory for one program.

    Attributes:
        directory: Its mount point in the root file system.
    """

    directory: str
    size_mb: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRange:
    """User and group ids for programs, each of which one program on the machine may have at a time.

    Attributes:
        first: The lowest one.
        lock: The path of the file by whose locks the supervisors of the machine share them.
    """

    first: int
    count: int
    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rootfs:
    """The root file system of programs.

    Attributes:
        argv: The command line that puts it together and becomes a program in it, which writes its process id
            and waits.
        files: The files that it reads, at the descriptors from 3 on.
        fingerprint: Differs when the same command line would show other files.
    """

    argv: tuple[str, ...]
    files: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits(_Message):
    """The limits of a program, or of its build.

    Attributes:
        timeout_ms: Wall time.
        cpu_time_ms: Processor time of the whole tree.
        memory_mb: Memory of the whole tree.
        processes: The most processes at once, if there is a cgroup.
        rlimits: Soft and hard limits by the names that setrlimit(2) gives them, without RLIMIT_: ones that no
            shell sets and, for a prewarmed program, all.
    """

    timeout_ms: int
    cpu_time_ms: int
    memory_mb: int
    processes: int
    rlimits: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a message."""
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest(_Message):
    """A program to start, and its isolation.

    Attributes:
        argv: The whole command line; the first is an absolute path. It joins the control groups, limits
            itself, reports its status, and starts the program when START_DESCRIPTOR brings a line.
        env: The whole environment.
        directory: Its working directory.
        limits: The limits of the program.
        build_limits: The limits of the build that `argv` begins with; None if there is none.
        descriptors: The numbers at which the program inherits the further descriptors that were sent.
        users: The ids of which the program gets one; None for the supervisor's own.
        cgroup: The place for a control group of the run; None to sample the memory of its tree.
        rootfs: None for the supervisor's own.
        tmpfs: A file system of the program's own in the root file system.
        is_prewarmed: Whether it waits for a job and its limits. Until then it has no deadline.
        is_planned: Whether `argv` is the reaper alone, which makes the sandbox by the plan at
            PLAN_DESCRIPTOR, with all limits, and starts the program at once, without an event.
        keeps_directory: Whether its last event brings the descriptor of its directory, for the files in it.
        owns_directory: Whether the supervisor's user is the owner of these files by then, instead of its own.
        reports_usage: Whether `USAGE` is sent once a second while the program runs.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    directory: str
    limits: ResourceLimits
    build_limits: ResourceLimits | None = None
    descriptors: Sequence[int] = ()
    users: UserRange | None = None
    cgroup: CgroupPlan | None = None
    rootfs: Rootfs | None = None
    tmpfs: Tmpfs | None = None
    is_prewarmed: bool = False
    is_planned: bool = False
    keeps_directory: bool = False
    owns_directory: bool = False
    reports_usage: bool = False

    def encode(self) -> bytes:
        """Return the message: a line, and a second one, of the root file system, which is mostly the same."""
        fields = {**_fields(self), "rootfs": None}
        return json.dumps(fields, default=_fields).encode() + b"\n" + _encoded(self.rootfs)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a message."""
        line, _, rootfs = data.partition(b"\n")
        fields = json.loads(line)
        fields["limits"] = ResourceLimits(**fields["limits"])
        fields["build_limits"] = ResourceLimits(**fields["build_limits"]) if fields["build_limits"] else None
        fields["cgroup"] = CgroupPlan(**fields["cgroup"]) if fields["cgroup"] else None
        fields["users"] = UserRange(**fields["users"]) if fields["users"] else None
        fields["rootfs"] = _decoded(rootfs)
        fields["tmpfs"] = Tmpfs(**fields["tmpfs"]) if fields["tmpfs"] else None
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvent(_Message):
    """An event of a run.

    Attributes:
        status: `WAITING`, `READY`, `USAGE` of a program that runs or, for the last one, `ENDED`.
        was_ready: Whether the program was ready to start: else the build failed, or the sandbox.
        in_build: Whether the build had begun, and had not ended well.
        limit: The limit that was hit, by its name in `Limits`, as far as the supervisor knows; during a build
            with `build_` before it.
        wall_ms: How long the program ran, from its start to the end of its first process; or the build, if it
            came no further.
        cpu_ms: Processor time of all its processes, or of the build's.
        waited_ms: How much of its time some task of this machine waited for a processor; None if the kernel
            does not account for that.
        memory_kb: The largest resident set of the program, or of a process that it waited for.
        tree_memory_kb: The largest memory of all of them together, while it runs the present one; 0 if that
            is not known.
        processes: The number of its processes and threads, while it runs; None if that is not known.
        error: The cause, if it could not be started, or followed to its end.
    """

    status: Status
    was_ready: bool = True
    in_build: bool = False
    limit: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    wall_ms: int = 0
    cpu_ms: int = 0
    waited_ms: int | None = None
    memory_kb: int = 0
    tree_memory_kb: int = 0
    processes: int | None = None
    error: str = ""

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a message."""
        fields = json.loads(data)
        return cls(**fields | {"status": Status(fields["status"])})


def reason_of(error: OSError) -> str:
    """Return the message of an error."""
    return error.strerror or "there is no reason given"


@lru_cache(maxsize=2)
def _encoded(rootfs: Rootfs | None) -> bytes:
    return b"" if rootfs is None else json.dumps(rootfs, default=_fields).encode()


@lru_cache(maxsize=2)
def _decoded(line: bytes) -> Rootfs | None:
    if not line:
        return None
    fields = json.loads(line)
    return Rootfs(**fields | {"argv": tuple(fields["argv"]), "files": tuple(fields["files"])})


def _fields(message: object) -> Mapping[str, object]:
    """Return the fields of a dataclass with slots as they are; `asdict` would copy all that is in them."""
    return {name: getattr(message, name) for name in message.__slots__}  # type: ignore[attr-defined]
