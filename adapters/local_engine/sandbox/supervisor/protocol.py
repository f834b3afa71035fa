"""The messages of a sandbox.

The engine sends datagrams on Unix sockets to the supervisor. The first is a `SpawnRequest` on the
supervisor's own socket, with the run's control socket and the program's descriptors; a long request is sent
in a file, with a single byte as the datagram. On the control socket follow `STOP`, `START` or the
`ResourceLimits` of a job, which start a waiting interpreter, and move the deadline of a waiting compiler. The
supervisor sends `RunEvent`s on the control socket.

The processes of a run send lines of JSON to the supervisor through the status pipe:

    {"status":"unpacked","cpu_s":0.5}     the supervisor's child that unpacks files: the time that it took
    {"status":"failed","error":"..."}     the same: it could not unpack files, or execute bwrap or the reaper
    {"status":"building"}                 the launch script: the compiler starts
    {"status":"built"}                    the launch script: the compiler has succeeded
    {"status":"waiting"}                  a preload hook: the interpreter waits for a job
    {"status":"ready"}                    the launch script or plan, or a preload hook: limits are in force
    {"status":"ended","wait4":"00..."}    the reaper: the program's status and struct rusage, in hexadecimal

The supervisor sends a line through the start pipe to the launch script, the launch plan or the preload hook,
which then starts the program. The limits of a preload hook's job are in force by then.
"""

import errno
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Self

from adapters.local_engine.sandbox.supervisor.cgroups import CgroupPlan

# The errors of a temporary lack of processes, descriptors or memory on the host.
SHORTAGES = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
# The status pipe of the launch script and the reaper. No program can write to it.
STATUS_DESCRIPTOR = 3
# The entrances of the program's control groups: the shell writes 0 to them to join the groups.
ENTRANCE_DESCRIPTORS = (4, 5, 6)
START_DESCRIPTOR = 7
# For a start by a launch plan: the plan, and the entrances of all control groups.
PLAN_DESCRIPTOR = 4
PLAN_ENTRANCES = (5, 6, 10, 11)
# The first argument of the reaper is a name followed by two id maps: the size of a map, and of the name.
MAP_BYTES = 32
PLANNED_NAME_BYTES = 16
# The status pipe of a preload hook.
HOOK_STATUS_DESCRIPTOR = 8
# The packed files of the program's directory, for the supervisor alone. No program inherits them.
FILES_DESCRIPTOR = 14
MAX_DESCRIPTORS = 16
# In the mount namespace of a root filesystem: the root filesystem itself, an empty directory, and the mount
# point of a program's mounts.
VIEW, NOTHING, BOX = "/view", "/nothing", "/box"
# The user and group id that every program has in its sandbox.
USER = 1000
MAX_MESSAGE_BYTES = 4096
# A longer request is sent in a file, whose descriptor comes first, and the message is IN_FILE.
MAX_REQUEST_BYTES = 32_768
IN_FILE = b"\0"
STOP, START = b"\0", b"\1"


class Status(StrEnum):
    """The steps of a run, in this order.

    After `READY`, no instruction of the program runs before `START`. If `START` came earlier, the program
    starts at once. Only `USAGE` may be repeated, and it never comes from the status pipe.
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
        """The line of JSON without other members."""
        return f'{{"status":"{self.value}"}}'


class _Message:
    __slots__ = ()

    def encode(self) -> bytes:
        """Encode the message."""
        return json.dumps(self, default=_fields).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmpfs:
    """A file system in memory for one program.

    Attributes:
        directory: The mount point in the root filesystem.
    """

    directory: str
    size_mb: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRange:
    """User and group ids for programs. Only one program on the machine may have an id at a time.

    Attributes:
        first: The lowest id.
        lock: The path of the file whose locks coordinate the supervisors of the machine.
    """

    first: int
    count: int
    lock: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rootfs:
    """The root filesystem of programs.

    Attributes:
        argv: The command line that makes the root filesystem and becomes a program in it, which writes its
            process id and waits.
        files: The files that the command line reads, at descriptors from 3 on.
        fingerprint: Differs when the same command line would show other files.
    """

    argv: tuple[str, ...]
    files: tuple[str, ...] = ()
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceLimits(_Message):
    """The limits of a program, or of its build.

    Attributes:
        timeout_ms: The wall time.
        cpu_time_ms: The processor time of the whole tree.
        memory_mb: The memory of the whole tree.
        processes: The number of processes at once, if there is a cgroup.
        rlimits: Soft and hard limits by their names in setrlimit(2) without RLIMIT_: the ones that no shell
            can set and, for a prewarmed program, all.
    """

    timeout_ms: int
    cpu_time_ms: int
    memory_mb: int
    processes: int
    rlimits: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode a message."""
        return cls(**json.loads(data))


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest(_Message):
    """A program to start, and its isolation.

    Attributes:
        argv: The whole command line, whose first word is an absolute path. It joins the control groups, sets
            its limits, reports its status, and starts the program when a line arrives at START_DESCRIPTOR.
        env: The whole environment.
        directory: The working directory.
        limits: The limits of the program.
        build_limits: The limits of the build that `argv` begins with; None without a build.
        descriptors: The numbers at which the program inherits the additional descriptors.
        users: The ids of which the program gets one; None for the supervisor's id.
        cgroup: The place for a control group of the run; None to sample the memory of its tree.
        rootfs: The root filesystem; None for the supervisor's.
        tmpfs: The program's own file system in the root filesystem.
        is_prewarmed: Whether the program waits for a job and its limits, without a deadline.
        is_planned: Whether `argv` is only the reaper, which makes the sandbox with all limits by the plan at
            PLAN_DESCRIPTOR.
        starts_at_once: Whether the program starts as soon as its sandbox is made, without an event.
        keeps_directory: Whether the last event has the descriptor of the program's directory.
        owns_directory: Whether the supervisor's user becomes the owner of the files in that directory.
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
    starts_at_once: bool = False
    keeps_directory: bool = False
    owns_directory: bool = False
    reports_usage: bool = False

    def encode(self) -> bytes:
        """Encode the message as two lines. The second has the root filesystem, which seldom changes."""
        fields = {**_fields(self), "rootfs": None}
        return json.dumps(fields, default=_fields).encode() + b"\n" + _encoded(self.rootfs)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode a message."""
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
        status: `WAITING`, `READY`, `USAGE` while the program runs or, in the last event, `ENDED`.
        was_ready: Whether the program was ready to start. If not, the build or the sandbox failed.
        in_build: Whether the build was started but did not succeed.
        limit: The name in `Limits` of the limit that was exceeded, if the supervisor knows it, with the
            prefix `build_` during a build.
        wall_ms: The time from the start of the program to the end of its first process; or the time of the
            build, if that did not succeed.
        cpu_ms: The processor time of all processes of the program, or of the build.
        waited_ms: The part of the run in which some task of the machine waited for a processor; None if the
            kernel does not account for that.
        memory_kb: The largest resident set of the program, or of a process that it waited for.
        tree_memory_kb: The peak memory of all processes together, or in `USAGE` the current memory; 0 if it
            is not known.
        processes: In `USAGE`, the number of processes and threads; None if it is not known.
        error: The cause, if the program could not be started or followed to its end.
        is_shortage: Whether the cause is a temporary lack of processes, descriptors or memory on the host.
            Without an error, the kernel killed a process for lack of memory, and the program was within its
            limit.
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
    is_shortage: bool = False

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Decode a message."""
        fields = json.loads(data)
        return cls(**fields | {"status": Status(fields["status"])})


def is_shortage(error: OSError) -> bool:
    """Return whether an error is a lack of processes, descriptors or memory on the host."""
    return error.errno in SHORTAGES


def reason_of(error: OSError) -> str:
    """Return the message of an error."""
    return error.strerror or "no reason was given"


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
    """Return the fields of a dataclass with slots; `asdict` would copy their values."""
    return {name: getattr(message, name) for name in message.__slots__}  # type: ignore[attr-defined]
