"""From a request and a row of the table to a command line."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adapters.local_engine import java_source
from adapters.local_engine.supervisor.protocol import STAGE_DESCRIPTOR
from adapters.local_engine.toolchains import SYSTEM_PATH, Toolchain
from application.ports.execution_engine import ExecutionRequest
from domain.limits import Limits

_MIB = 1 << 20
# The rest of a process's memory is the runtime's own, beside the heap.
_HEAP_SHARE = 0.75
# What shells call limits in `ulimit`, and how many of a limit's units make one of theirs.
_ULIMITS = {"CPU": ("t", 1), "AS": ("v", 1024), "FSIZE": ("f", 512), "NOFILE": ("n", 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is to be put into an empty directory and started there.

    Attributes:
        source: The name of the source file.
        code: Its content.
        argv: What starts it; a build, if there is one, comes first in it.
        has_build: Whether there is a build, which announces its end at STAGE_DESCRIPTOR.
        build_rlimits: The limits that the build starts with; the program's follow by itself.
        rlimits: The limits of each of the program's processes.
    """

    source: str
    code: bytes
    argv: Sequence[str]
    env: Mapping[str, str]
    limits: Limits
    rlimits: Mapping[str, tuple[int, int]]
    build_rlimits: Mapping[str, tuple[int, int]]
    has_build: bool


def compose(
    toolchain: Toolchain, executables: Mapping[str, str], request: ExecutionRequest, code: bytes
) -> Program:
    """Fill in a row of the table for a request."""
    spec = request.spec
    names = _names(toolchain, executables, spec.limits, code)
    run = [*_fill(toolchain.run, names), *spec.args]
    rlimits = _rlimits(spec.limits, toolchain.memory)
    return Program(
        source=names["source"],
        code=code,
        argv=_staged(_fill(toolchain.build, names), run, rlimits) if toolchain.build else run,
        env={"PATH": SYSTEM_PATH, "LANG": "C.UTF-8", **spec.env},
        limits=spec.limits,
        rlimits=rlimits,
        build_rlimits=_BUILD_RLIMITS,
        has_build=bool(toolchain.build),
    )


def _names(
    toolchain: Toolchain, executables: Mapping[str, str], limits: Limits, code: bytes
) -> Mapping[str, str]:
    java = java_source.inspect(code.decode("utf-8", "replace"))
    source = toolchain.source.format(source_class=java.source_class)
    heap_mb = str(int(limits.memory_mb * _HEAP_SHARE))
    return {**executables, "source": source, "heap_mb": heap_mb, "main_class": java.main_class}


def _fill(template: Sequence[str], names: Mapping[str, str]) -> list[str]:
    return [part.format_map(names) for part in template]


def _rlimits(limits: Limits, memory: str) -> Mapping[str, tuple[int, int]]:
    """Write limits as setrlimit(2) takes them, which knows processor time in whole seconds."""
    seconds = -(-limits.cpu_time_ms // 1000)
    values = {
        "CPU": (seconds, seconds + 1),
        "FSIZE": (limits.file_size_mb * _MIB,) * 2,
        "NOFILE": (limits.open_files,) * 2,
        "CORE": (0, 0),
    }
    return values | {"AS": (limits.memory_mb * _MIB,) * 2} if memory == "address_space" else values


_BUILD_RLIMITS = {"CPU": (60, 61), "FSIZE": (256 * _MIB,) * 2, "NOFILE": (1024,) * 2, "CORE": (0, 0)}


def _staged(build: Sequence[str], run: Sequence[str], rlimits: Mapping[str, tuple[int, int]]) -> list[str]:
    """Write a command line that builds, says so, lowers its limits, and becomes the program.

    The script is made of our own table's words; the program's command line follows as its arguments, which
    no shell reads.
    """
    limits = [
        f"ulimit -{_ULIMITS[name][0]} {soft // _ULIMITS[name][1]}"
        for name, (soft, _) in rlimits.items()
        if name in _ULIMITS
    ]
    script = [
        f"{shlex.join(build)} >&2 {STAGE_DESCRIPTOR}>&- || exit",
        f"times >&{STAGE_DESCRIPTOR}",
        f"exec {STAGE_DESCRIPTOR}>&-",
        *limits,
        'exec "$@"',
    ]
    return ["/bin/sh", "-c", "\n".join(script), "sh", *run]
