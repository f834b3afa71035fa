"""A program, its limits and its environment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.local_engine.sandbox.artifacts import WantedFiles
from adapters.local_engine.sandbox.launch_script import SECRETS_COMMAND, Rlimits
from adapters.local_engine.sandbox.supervisor.protocol import ResourceLimits
from domain.execution import Output
from domain.limits import STANDARD_LIMITS, Limits

_MIB = 1 << 20
# The share of a program's memory for the heap of its runtime. The runtime itself needs the rest.
HEAP_SHARE = 0.75
# At least this share of a full address space is in use. The rest is only mapped: libraries, arenas, stacks.
_USED_SHARE = 0.5
_ENV = "/usr/bin/env"
# Only system directories: a sandbox does not show interpreters in a home directory.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}
# A compiler's limits other than times, independent of the program's. A virtual machine starts several threads
# for each processor.
BUILD_MEMORY_MB = 1024
BUILD_PROCESSES = 256
_BUILD_RLIMITS = {
    "AS": (4096 * _MIB,) * 2,
    "FSIZE": (256 * _MIB,) * 2,
    "NOFILE": (1024,) * 2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program to be put into an empty directory and started there.

    Attributes:
        language: The name of the language, by which a prewarmed interpreter or compiler is found.
        source: The name of the source file.
        code: The content of the source file.
        build: The compiler's command line; empty if there is nothing to build.
        archived_build: The same command line with a CDS archive; empty if the compiler has no archive.
        run: The program's command line.
        arguments: The caller's arguments, which are appended to it.
        stdin: The standard input.
        env: The environment of all processes in the sandbox. The caller has no influence on it.
        settings: Additional variables of the program, from our own table.
        variables: The caller's variables, which only the program gets: a loader or shell that obeys one of
            them would run the caller's code before the limits are in force.
        secrets: More variables of the caller, which appear on no command line, because other users of the
            machine can list command lines.
        rlimits: The limits of each process of the program, as for setrlimit(2).
        out_of_memory: Phrases with which the runtime reports on stderr that it is out of memory.
        pipes: Descriptors for stdin and stdout, in place of `stdin` and the captured output.
        descriptors: Our descriptors that the program inherits, by their numbers in the program.
        files: A descriptor of the packed files that its directory starts with; None for only the source.
        wanted: The files to collect after the run; None for none.
        is_prewarmed: Whether it is an interpreter that waits for a job.
        reports_usage: Whether its usage is reported while it runs.
        starts_at_once: Whether it may start without an event, as nothing has to be recorded before its start.
        build_output_mb: The limit of the build's output; None for the limit of the program's.
        build_spent_ms: The part of the time for its build that has passed already.
        compile_output: The messages of the prewarmed compiler that has compiled the program.
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
    build_output_mb: int | None = None
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
    def allowed_build_output_mb(self) -> int:
        """The limit of the build's output."""
        return self.limits.output_mb if self.build_output_mb is None else self.build_output_mb

    @property
    def refused_from_mb(self) -> int:
        """The memory usage from which on the runtime or RLIMIT_AS may refuse more memory."""
        return int(self.limits.memory_mb * (_USED_SHARE if "AS" in self.rlimits else HEAP_SHARE))


def program_limits(program: Program, processes: int) -> ResourceLimits:
    """Return the limits of a program's whole process tree, with a given number of processes."""
    limits = program.limits
    return ResourceLimits(
        timeout_ms=limits.timeout_ms,
        cpu_time_ms=limits.cpu_time_ms,
        memory_mb=limits.memory_mb,
        processes=processes,
    )


def build_limits(program: Program) -> ResourceLimits:
    """Return the limits of a build's whole process tree."""
    return ResourceLimits(
        timeout_ms=max(1, program.limits.build_timeout_ms - program.build_spent_ms),
        cpu_time_ms=program.limits.build_cpu_time_ms,
        memory_mb=BUILD_MEMORY_MB,
        processes=BUILD_PROCESSES,
    )


def build_rlimits(cpu_time_ms: int) -> Rlimits:
    """Return the limits of each process of a build."""
    return {"CPU": _seconds(cpu_time_ms), **_BUILD_RLIMITS}


def _seconds(cpu_time_ms: int) -> tuple[int, int]:
    """Return an RLIMIT_CPU that ends a process one second after the limit.

    It is a fallback for the measurement of the whole tree, which is exact to a hundredth of a second.
    """
    seconds = -(-cpu_time_ms // 1000) + 1
    return seconds, seconds + 1


def program_rlimits(limits: Limits, memory: str) -> Rlimits:
    """Return the limits of each process of a program, including RLIMIT_AS if `memory` is "address_space"."""
    values = {
        "CPU": _seconds(limits.cpu_time_ms),
        "FSIZE": (limits.file_size_mb * _MIB,) * 2,
        "NOFILE": (limits.open_files,) * 2,
    }
    return values | {"AS": (limits.memory_mb * _MIB,) * 2} if memory == "address_space" else values


_USUAL_LIMITS = STANDARD_LIMITS.resolve({})
# A program that does nothing, with every limit, to test whether programs can run.
NOTHING = Program(
    source="nothing",
    code=b"",
    build=(),
    run=("/bin/true",),
    env={},
    limits=_USUAL_LIMITS,
    rlimits=program_rlimits(_USUAL_LIMITS, "address_space"),
)
