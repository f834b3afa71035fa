"""The shell script between a spawn request and a program: it limits itself, builds, and becomes the program.

They are made of our own table's words. The program's command line follows as the script's arguments, which no
shell reads as its own.
"""

import resource
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from adapters.local_engine.sandbox.supervisor.protocol import (
    ENTRANCE_DESCRIPTORS,
    HOOK_STATUS_DESCRIPTOR,
    START_DESCRIPTOR,
    STATUS_DESCRIPTOR,
    Status,
)

# Where a build finds the archive of its compiler's classes, or what has been compiled.
ARCHIVE_DESCRIPTOR = 8
ARCHIVE_PATH = f"/proc/self/fd/{ARCHIVE_DESCRIPTOR}"
# The output of a build, which is not the program's.
BUILD_OUTPUT_DESCRIPTOR = 9

# A shell script that exports secrets. The other descriptors are bubblewrap's own.
SECRETS_DESCRIPTOR = 13
_SHELL = "/bin/sh"
# What becomes a program with the secrets in its environment.
SECRETS_COMMAND = (_SHELL, "-c", f'. /proc/self/fd/{SECRETS_DESCRIPTOR} && exec "$@"', "sh")
# The usual mode of files, for programs: the supervisor's own umask keeps its files from other users.
_USUAL_MODES = "umask 022"


def option_of_processes(shell: Path) -> str:
    """Return the name of the limit of processes in a shell's `ulimit`: for bash, "p" is the size of pipes."""
    return "u" if shell.resolve().name == "bash" else "p"


# Processes that a build leaves would count as the program's. A shell that is the first process kills all
# others, and waits for them while it waits for a process of its own.
_END_OF_BUILD = "[ $$ != 1 ] || while kill -s KILL -- -1 2>/dev/null; do (:); done"
# What `ulimit` calls a limit, and how many of the limit's units make one of its own (dash(1), bash(1)).
ULIMITS = {
    "CPU": ("t", 1),
    "AS": ("v", 1024),
    "FSIZE": ("f", 512),
    "NOFILE": ("n", 1),
    "NPROC": (option_of_processes(Path(_SHELL)), 1),
}

Rlimits = Mapping[str, tuple[int, int]]


def launch_script(
    build: Sequence[str],
    run: Sequence[str],
    rlimits: Rlimits,
    *,
    build_rlimits: Rlimits | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    groups: int = 0,
    reaper: str | None = None,
) -> list[str]:
    """Write a command line that builds, reports that it is ready, and becomes the program at the start.

    A status that cannot be reported ends it: a program whose supervisor is gone before the start never runs.

    Args:
        build: The compiler's command line; empty if there is nothing to build.
        run: The program's command line.
        rlimits: The program's limits.
        build_rlimits: The build's. They hold in a subshell: a hard limit cannot be raised again, and the
            program's may be higher.
        variables: The program's environment beside that of its build and of the shell.
        groups: The number of control groups to join.
        reaper: The path of the reaper, if there is one: the program's parent, and the first process of a
            process namespace.
    """
    lines = [*_joined(groups), _USUAL_MODES]
    if build:
        lines += [
            "(",
            *_limited(build_rlimits or {}),
            _reported(Status.BUILDING),
            f"exec >&{BUILD_OUTPUT_DESCRIPTOR} 2>&1 {BUILD_OUTPUT_DESCRIPTOR}>&-",
            f"exec {shlex.join(build)} {STATUS_DESCRIPTOR}>&- {START_DESCRIPTOR}<&-",
            ") || exit",
            _END_OF_BUILD,
            _reported(Status.BUILT),
            f"exec {ARCHIVE_DESCRIPTOR}<&- {BUILD_OUTPUT_DESCRIPTOR}>&-",
        ]
    lines += [*_limited(rlimits), _reported(Status.READY)]
    lines += [f"read start <&{START_DESCRIPTOR} || exit", f"exec {START_DESCRIPTOR}<&-"]
    lines += [f"exec {STATUS_DESCRIPTOR}>&-"] if reaper is None else []
    lines += [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return _command_line(lines, run, reaper)


def secrets_script(secrets: Mapping[str, str]) -> bytes:
    """Write the script that exports secrets: for a file in memory, for others can list command lines."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in secrets.items()).encode()


def prewarm_script(
    run: Sequence[str], rlimits: Rlimits, *, groups: int = 0, reaper: str | None = None
) -> list[str]:
    """Write the command line of a program whose preload hook reports its status and waits for a job."""
    hook = f"exec {HOOK_STATUS_DESCRIPTOR}>&{STATUS_DESCRIPTOR}"
    return _command_line([*_joined(groups), _USUAL_MODES, *_limited(rlimits), hook], run, reaper)


def attainable(rlimits: Rlimits) -> Rlimits:
    """Return limits of which none is above that in force, which only root may raise."""
    return {name: _attainable(getattr(resource, f"RLIMIT_{name}"), *pair) for name, pair in rlimits.items()}


def _attainable(which: int, soft: int, hard: int) -> tuple[int, int]:
    _, ceiling = resource.getrlimit(which)
    return (soft, hard) if ceiling == resource.RLIM_INFINITY else (min(soft, ceiling), min(hard, ceiling))


def _joined(groups: int) -> Iterator[str]:
    for entrance in ENTRANCE_DESCRIPTORS[:groups]:
        yield f"echo 0 >&{entrance} || exit"
        yield f"exec {entrance}>&-"


def _reported(status: Status) -> str:
    return f"echo '{status.line}' >&{STATUS_DESCRIPTOR} || exit"


def _limited(rlimits: Rlimits) -> Iterator[str]:
    for name, (soft, hard) in attainable(rlimits).items():
        option, unit = ULIMITS[name]
        yield f"ulimit -S{option} {soft // unit} && ulimit -H{option} {hard // unit} || exit"


def _command_line(lines: Sequence[str], run: Sequence[str], reaper: str | None) -> list[str]:
    program = run if reaper is None else [reaper, *run]
    return [_SHELL, "-c", "\n".join([*lines, 'exec "$@"']), "sh", *program]
