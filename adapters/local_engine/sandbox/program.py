"""From a request and a row of the table to command lines."""

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from adapters.local_engine import java_source
from adapters.local_engine.sandbox.launch_script import ARCHIVE_DESCRIPTOR, ARCHIVE_PATH, Rlimits
from adapters.local_engine.toolchains import SYSTEM_PATH, Toolchain, fill
from application.ports.execution_engine import ExecutionRequest
from domain.execution import Output
from domain.limits import STANDARD_LIMITS, Limits

_MIB = 1 << 20
# The rest of a process's memory is the runtime's own, beside the heap.
_HEAP_SHARE = 0.75
_ENV = "/usr/bin/env"
_ENVIRONMENT = {"PATH": SYSTEM_PATH, "LANG": "C.UTF-8"}
# What a compiler may use beside its times, whatever the program's own limits are. A virtual machine starts
# several processes for each processor.
BUILD_MEMORY_MB = 1024
BUILD_PROCESSES = 256
_BUILD_RLIMITS = {
    "AS": (4096 * _MIB,) * 2,
    "FSIZE": (256 * _MIB,) * 2,
    "NOFILE": (1024,) * 2,
    "CORE": (0, 0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be put into an empty directory and started there.

    Attributes:
        source: The name of the source file.
        code: Its content.
        build: The compiler's command line; empty if there is nothing to build.
        run: The program's command line.
        arguments: What the caller wants to follow it.
        env: The environment of all that is started in the box, of our own words.
        settings: What the program's own environment has beside it, of our own table.
        variables: What the caller wants to have beside both. They are the program's alone: a loader or a
            shell that obeys one of them would run the caller's code before the limits are in force.
        rlimits: The limits of each of the program's processes, as setrlimit(2) takes them.
        descriptors: What it inherits: descriptors of ours, by the numbers that they have there.
        parks: Whether it is an interpreter that waits for a job.
        build_spent_ms: The part of the time for its build that is over already.
        compile_output: What its compiler has said, if that has done its work elsewhere.
    """

    source: str
    code: bytes
    build: Sequence[str]
    run: Sequence[str]
    arguments: Sequence[str] = ()
    env: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    limits: Limits
    rlimits: Rlimits
    descriptors: Mapping[int, int] = field(default_factory=dict)
    parks: bool = False
    build_spent_ms: int = 0
    compile_output: Output | None = None

    @property
    def build_rlimits(self) -> Rlimits:
        """The limits of each of the build's processes."""
        return build_rlimits(self.limits.build_cpu_time_ms)

    @property
    def build_timeout_ms(self) -> int:
        """The time that is left for its build."""
        return max(1, self.limits.build_timeout_ms - self.build_spent_ms)

    @property
    def command(self) -> Sequence[str]:
        """The whole command line."""
        given = [f"{name}={value}" for name, value in self.variables.items()]
        return [*([_ENV, *given] if given else []), *self.run, *self.arguments]


def build_rlimits(cpu_time_ms: int) -> Rlimits:
    """Return the limits of each process of a build that may have some processor time."""
    return {"CPU": _seconds(cpu_time_ms), **_BUILD_RLIMITS}


def _seconds(cpu_time_ms: int) -> tuple[int, int]:
    """Return a limit that ends each process a second late.

    It is for when measuring fails, which is of the whole tree, and exact to the hundredth of a second.
    """
    seconds = -(-cpu_time_ms // 1000) + 1
    return seconds, seconds + 1


def _rlimits(limits: Limits, memory: str) -> Rlimits:
    values = {
        "CPU": _seconds(limits.cpu_time_ms),
        "FSIZE": (limits.file_size_mb * _MIB,) * 2,
        "NOFILE": (limits.open_files,) * 2,
        "CORE": (0, 0),
    }
    return values | {"AS": (limits.memory_mb * _MIB,) * 2} if memory == "address_space" else values


_USUAL_LIMITS = STANDARD_LIMITS.resolve({})
# What finds out whether programs can be run at all, with every limit that they have.
NOTHING = Program(
    source="nothing",
    code=b"",
    build=(),
    run=("/bin/true",),
    env={},
    limits=_USUAL_LIMITS,
    rlimits=_rlimits(_USUAL_LIMITS, "address_space"),
)


def compose(
    toolchain: Toolchain,
    executables: Mapping[str, str],
    request: ExecutionRequest,
    code: bytes,
    archive: int | None = None,
) -> Program:
    """Fill in a row of the table for a request. The archive is the compiler's, if there is one."""
    spec = request.spec
    names = _names(toolchain, executables, spec.limits, code)
    return Program(
        source=names["source"],
        code=_stripped(code, toolchain.strips),
        build=fill(toolchain.build if archive is None else toolchain.build_with_archive("use"), names),
        run=fill(toolchain.run, names),
        arguments=spec.args,
        env=_ENVIRONMENT,
        settings=dict(zip(toolchain.env, fill(list(toolchain.env.values()), names), strict=True)),
        variables=spec.env,
        limits=spec.limits,
        rlimits=_rlimits(spec.limits, toolchain.memory),
        descriptors={} if archive is None else {ARCHIVE_DESCRIPTOR: archive},
    )


def _stripped(code: bytes, parts: Sequence[str]) -> bytes:
    """Leave out what editors of other systems put into a source, and its language has no use for."""
    if "bom" in parts:
        code = code.removeprefix(codecs.BOM_UTF8)
    return code.replace(b"\r\n", b"\n") if "crlf" in parts else code


def compose_without_job(toolchain: Toolchain, executables: Mapping[str, str], limits: Limits) -> Program:
    """Fill in a row of the table for a request that is still to come."""
    names = _names(toolchain, executables, limits, b"")
    return Program(
        source=names["source"],
        code=b"",
        build=fill(toolchain.build, names),
        run=fill(toolchain.run, names),
        env=_ENVIRONMENT,
        limits=limits,
        rlimits={},
    )


def _names(
    toolchain: Toolchain, executables: Mapping[str, str], limits: Limits, code: bytes
) -> Mapping[str, str]:
    names = {
        **executables,
        "source": toolchain.source,
        "heap_mb": str(int(limits.memory_mb * _HEAP_SHARE)),
        "archive": ARCHIVE_PATH,
        "compiler": toolchain.compiler.get("cold", ""),
    }
    if toolchain.is_named_by_its_code:
        java = java_source.inspect(code.decode("utf-8", "replace"))
        (source,) = fill([toolchain.source], {"source_class": java.source_class})
        names |= {"source": source, "main_class": java.main_class}
    return names
