"""The launch script: a shell script that sets its limits, builds the program, and becomes the program.

The script consists of words of our own table. The program's command line is passed as arguments of the
script, which the shell does not interpret.
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

# Here a build finds the CDS archive of its compiler, or the files that a prewarmed compiler has compiled.
ARCHIVE_DESCRIPTOR = 8
ARCHIVE_PATH = f"/proc/self/fd/{ARCHIVE_DESCRIPTOR}"
# The output of a build, which is separate from the program's.
BUILD_OUTPUT_DESCRIPTOR = 9

# A shell script that exports secrets. The descriptors between are bubblewrap's.
SECRETS_DESCRIPTOR = 13
_SHELL = "/bin/sh"
# Becomes the program with the secrets in its environment.
SECRETS_COMMAND = (_SHELL, "-c", f'. /proc/self/fd/{SECRETS_DESCRIPTOR} && exec "$@"', "sh")
# The usual umask, for programs. The supervisor has a stricter one, which keeps its files from other users.
_USUAL_MODES = "umask 022"


def option_of_processes(shell: Path) -> str:
    """Return the option of a shell's `ulimit` for the number of processes: in bash, "p" is the pipe size."""
    return "u" if shell.resolve().name == "bash" else "p"


# Processes that a build leaves behind would count as the program's. If the shell is the first process, it
# kills all others, and reaps them while it waits for a subshell.
_END_OF_BUILD = "[ $$ != 1 ] || while kill -s KILL -- -1 2>/dev/null; do (:); done"
# The option of `ulimit` for each limit, and how many of the limit's units are one of ulimit's (dash(1),
# bash(1)).
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
    """Return a command line that builds, reports READY, waits for the start and becomes the program.

    The script ends if it cannot report a status, so a program whose supervisor has ended never runs.

    Args:
        build: The compiler's command line; empty if there is nothing to build.
        run: The program's command line.
        rlimits: The limits of the program.
        build_rlimits: The limits of the build. They are set in a subshell, because a hard limit cannot be
            raised again and the program's may be higher.
        variables: The variables of the program that its build and the shell do not have.
        groups: The number of control groups to join.
        reaper: The path of the reaper, if there is one. It is the program's parent, and the first process of
            a process namespace.
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
    """Return the script that exports secrets. It is kept in memory, because others can list command lines."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in secrets.items()).encode()


def prewarm_script(
    run: Sequence[str], rlimits: Rlimits, *, groups: int = 0, reaper: str | None = None
) -> list[str]:
    """Return the command line of a program whose preload hook reports its status and waits for a job."""
    hook = f"exec {HOOK_STATUS_DESCRIPTOR}>&{STATUS_DESCRIPTOR}"
    return _command_line([*_joined(groups), _USUAL_MODES, *_limited(rlimits), hook], run, reaper)


def attainable(rlimits: Rlimits) -> Rlimits:
    """Return the limits, lowered to the hard limits in force, which only root may raise."""
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
