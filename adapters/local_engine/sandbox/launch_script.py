"""The few lines of shell between an order and a program: limit itself, build, wait for the word, become it.

They are made of our own table's words. The program's command line follows as the script's arguments, which
no shell reads as its own.
"""

import resource
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from adapters.local_engine.sandbox.supervisor.protocol import (
    ANNOUNCEMENT,
    BUILD_BEGINS,
    BUILD_ENDED,
    ENTRANCE_DESCRIPTORS,
    REPORT_DESCRIPTOR,
    START_DESCRIPTOR,
    STATUS_DESCRIPTOR,
)

# Where a build finds the archive of its compiler's classes, or what has been compiled.
ARCHIVE_DESCRIPTOR = 8
ARCHIVE_PATH = f"/proc/self/fd/{ARCHIVE_DESCRIPTOR}"
# What a build writes goes there: it is not the program's output.
BUILD_OUTPUT_DESCRIPTOR = 9

_SHELL = "/bin/sh"
# The usual mode of files, for programs: the supervisor's own umask keeps its files from other users.
_USUAL_MODES = "umask 022"


def option_of_processes(shell: Path) -> str:
    """Return what a shell's `ulimit` calls the limit of processes: for bash, "p" is the size of pipes."""
    return "u" if shell.resolve().name == "bash" else "p"


# What `ulimit` calls a limit, and how many of the limit's units make one of its own (dash(1), bash(1)).
_ULIMITS = {
    "CPU": ("t", 1),
    "AS": ("v", 1024),
    "FSIZE": ("f", 512),
    "NOFILE": ("n", 1),
    "NPROC": (option_of_processes(Path(_SHELL)), 1),
    "CORE": ("c", 512),
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
    stays: bool = False,
    reaper: str | None = None,
) -> list[str]:
    """Write a command line that builds, announces that it is ready, and becomes the program when told to.

    A build's beginning and end are announced as well. What is not heard any more is not begun, and a program
    whose supervisor is gone before the word has come never starts.

    Args:
        build: The compiler's command line; empty if there is nothing to build.
        run: The program's command line.
        rlimits: The program's limits.
        build_rlimits: The build's. They hold in a subshell: a hard limit cannot be raised again, and the
            program's may be higher.
        variables: What the program's environment has beside that of its build and of the shell.
        groups: How many control groups there are to join.
        stays: Whether the shell stays where there is no reaper, as the first process of a process namespace
            has to, and says 128 + n if the program is ended by signal n. An exit code may be the same: what
            tells them apart is that it names the signal at the stage. Of SIGINT and SIGPIPE no shell says
            anything: a program that they end is one with the exit code 130 or 141.
        reaper: The path of the reaper, if there is one: the program's parent, and the first process of a
            process namespace.
    """
    lines = [*_joined(groups), _USUAL_MODES]
    if build:
        lines += [
            "(",
            *_limited(build_rlimits or {}),
            _announced(BUILD_BEGINS),
            f"exec >&{BUILD_OUTPUT_DESCRIPTOR} 2>&1 {BUILD_OUTPUT_DESCRIPTOR}>&-",
            f"exec {shlex.join(build)} {STATUS_DESCRIPTOR}>&- {START_DESCRIPTOR}<&-",
            ") || exit",
            _announced(BUILD_ENDED),
            f"exec {ARCHIVE_DESCRIPTOR}<&- {BUILD_OUTPUT_DESCRIPTOR}>&-",
        ]
    lines += [*_limited(rlimits), _announced(ANNOUNCEMENT)]
    lines += [f"read word <&{START_DESCRIPTOR} || exit", f"exec {START_DESCRIPTOR}<&-"]
    closed = f"{STATUS_DESCRIPTOR}>&-"
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if reaper is not None:
        lines += _reaped(closed, exports)
    elif stays:
        lines += _staying(closed, exports)
    else:
        lines += [f"exec {closed}", *exports, 'exec "$@"']
    return [_SHELL, "-c", "\n".join(lines), "sh", *_below(reaper, run)]


def prewarm_script(
    run: Sequence[str], rlimits: Rlimits, *, groups: int = 0, reaper: str | None = None
) -> list[str]:
    """Write the command line of a program that limits and announces itself, and waits, when it has a job."""
    lines = [*_joined(groups), _USUAL_MODES, *_limited(rlimits)]
    lines += _staying() if reaper is None else _reaped()
    return [_SHELL, "-c", "\n".join(lines), "sh", *_below(reaper, run)]


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


def _announced(word: bytes) -> str:
    """Say a word at the stage, or stop.

    Nobody hears it if the supervisor was killed before bubblewrap or setpriv had asked to die with it.
    """
    return " ".join(["echo", *word.decode().split(), f">&{STATUS_DESCRIPTOR} || exit"])


def _limited(rlimits: Rlimits) -> Iterator[str]:
    for name, (soft, hard) in attainable(rlimits).items():
        option, unit = _ULIMITS[name]
        yield f"ulimit -S{option} {soft // unit} && ulimit -H{option} {hard // unit} || exit"


def _below(reaper: str | None, run: Sequence[str]) -> Sequence[str]:
    return run if reaper is None else [reaper, *run]


def _reaped(closed: str = "", exports: Sequence[str] = ()) -> list[str]:
    """Become the reaper, which has the stage at a descriptor that it keeps from the program."""
    return [f"exec {REPORT_DESCRIPTOR}>&{STATUS_DESCRIPTOR} {closed}".rstrip(), *exports, 'exec "$@"']


def _staying(closed: str = "", exports: Sequence[str] = ()) -> list[str]:
    """Have the shell say at the stage what it has to say of a signal: it is no output of the program.

    What redirects a simple command redirects that word as well, so the program has a subshell of its own.
    """
    own = "; ".join([f"exec 2>&4 4>&- {closed}".rstrip(), *exports, 'exec "$@"'])
    return [f"exec 4>&2 2>&{STATUS_DESCRIPTOR}", f"({own})", "exit"]
