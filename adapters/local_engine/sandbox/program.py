"""A program, its limits and its environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.local_engine.sandbox.artifacts import WantedFiles
from adapters.local_engine.sandbox.launch_script import SECRETS_COMMAND, Rlimits
from adapters.local_engine.sandbox.supervisor.protocol import ResourceLimits
from domain.execution import Output
from domain.limits import STANDARD_LIMITS, Limits

_MIB = 1 << 20
# A runtime's heap has this share of a program's memory. The rest is the runtime's own.
HEAP_SHARE = 0.75
# A full address space has at least this share in use. The rest is mapped: libraries, arenas, stacks.
_USED_SHARE = 0.5
_ENV = "/usr/bin/env"
# What belongs to the system: an interpreter in someone's home is out of a sandbox's sight.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}
# A compiler's limits beside its times, independent of the program's. A virtual machine starts several
# processes for each processor.
BUILD_MEMORY_MB = 1024
BUILD_PROCESSES = 256
_BUILD_RLIMITS = {
    "AS": (4096 * _MIB,) * 2,
    "FSIZE": (256 * _MIB,) * 2,
    "NOFILE": (1024,) * 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program that is put into an empty directory and started there.

    Attributes:
        language: Its name, by which a prewarmed interpreter or compiler is found.
        source: The name of the source file.
        code: Its content.
        build: The compiler's command line; empty if there is nothing to build.
        archived_build: The same with an archive of the compiler's classes; empty if it has none.
        run: The program's command line.
        arguments: The caller's, which follow it.
        stdin: Its standard input.
        env: The environment of all that is started in the sandbox, of our own words.
        settings: The program's own environment beside it, of our own table.
        variables: The caller's beside both. They are the program's alone: a loader or a shell that obeys one
            of them would run the caller's code before the limits are in force.
        secrets: More of them, which are on no command line: other users of the machine can list those.
        rlimits: The limits of each of the program's processes, as setrlimit(2) takes them.
        out_of_memory: Phrases by which its runtime reports on stderr that it is out of memory.
        pipes: Descriptors that it reads its input from and writes its output to, in place of `stdin` and of
            a stream that is captured.
        descriptors: Descriptors of ours that it inherits, by the numbers that they have there.
        files: A descriptor of packed files that its directory has at first; None for the source alone.
        wanted: The files that are collected of those that it wrote; None for none.
        is_prewarmed: Whether it is an interpreter that waits for a job.
        reports_usage: Whether its usage is reported while it runs.
        starts_at_once: Whether nothing has to be recorded between the making of its sandbox and its start.
        build_spent_ms: The part of the time for its build that is over already.
        compile_output: The messages of a compiler that has done its work elsewhere.
    """

    language: str = ""
    source: str
    code: bytes
    build: Sequence[str]
    archived_build: Sequence[str] = ()
    run: Sequence[str]
    arguments: Sequence[str] = ()
    stdin: bytes = b""
    env: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    limits: Limits
    rlimits: Rlimits
    out_of_memory: Sequence[str] = ()
    descriptors: Mapping[int, int] = field(default_factory=dict)
    files: int | None = None
    pipes: tuple[int, int] | None = None
    wanted: WantedFiles | None = None
    is_prewarmed: bool = False
    reports_usage: bool = False
    starts_at_once: bool = False
    build_spent_ms: int = 0
    compile_output: Output | None = None

    @property
    def command(self) -> Sequence[str]:
        """The whole command line."""
        given = [f"{name}={value}" for name, value in self.variables.items()]
        return [
            *(SECRETS_COMMAND if self.secrets else ()),
            *([_ENV, *given] if given else []),
            *self.run,
            *self.arguments,
        ]

    @property
    def refused_from_mb(self) -> int:
        """The memory in use from which on its runtime, or RLIMIT_AS, may refuse more."""
        return int(self.limits.memory_mb * (_USED_SHARE if "AS" in self.rlimits else HEAP_SHARE))


def program_limits(program: Program, processes: int) -> ResourceLimits:
    """Return the limits of a program's whole tree, with a number of processes."""
    limits = program.limits
    return ResourceLimits(
        timeout_ms=limits.timeout_ms,
        cpu_time_ms=limits.cpu_time_ms,
        memory_mb=limits.memory_mb,
        processes=processes,
    )


def build_limits(program: Program) -> ResourceLimits:
    """Return the limits of a build's whole tree."""
    return ResourceLimits(
        timeout_ms=max(1, program.limits.build_timeout_ms - program.build_spent_ms),
        cpu_time_ms=program.limits.build_cpu_time_ms,
        memory_mb=BUILD_MEMORY_MB,
        processes=BUILD_PROCESSES,
    )


def build_rlimits(cpu_time_ms: int) -> Rlimits:
    """Return the limits of each process of a build that may have some processor time."""
    return {"CPU": _seconds(cpu_time_ms), **_BUILD_RLIMITS}


def _seconds(cpu_time_ms: int) -> tuple[int, int]:
    """Return a limit that ends each process a second late.

    It is for when measuring fails, which is of the whole tree, and exact to the hundredth of a second.
    """
    seconds = -(-cpu_time_ms // 1000) + 1
    return seconds, seconds + 1


def program_rlimits(limits: Limits, memory: str) -> Rlimits:
    """Return the limits of each process of a program; with "address_space" of its memory, too."""
    values = {
        "CPU": _seconds(limits.cpu_time_ms),
        "FSIZE": (limits.file_size_mb * _MIB,) * 2,
        "NOFILE": (limits.open_files,) * 2,
    }
    return values | {"AS": (limits.memory_mb * _MIB,) * 2} if memory == "address_space" else values


_USUAL_LIMITS = STANDARD_LIMITS.resolve({})
# A trial whether programs can be run at all, with every limit that they have.
NOTHING = Program(
    source="nothing",
    code=b"",
    build=(),
    run=("/bin/true",),
    env={},
    limits=_USUAL_LIMITS,
    rlimits=program_rlimits(_USUAL_LIMITS, "address_space"),
)
