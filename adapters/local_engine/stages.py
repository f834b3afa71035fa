"""The few lines of shell between an order and a program: build, announce the start, become the program.

They are made of our own table's words. The program's command line follows as the script's arguments, which
no shell reads as its own.
"""

import shlex
from collections.abc import Mapping, Sequence

from adapters.local_engine.supervisor.protocol import STAGE_DESCRIPTOR

# Where a build finds the archive of its compiler's classes, or what has been compiled.
ARCHIVE_DESCRIPTOR = 8
ARCHIVE_PATH = f"/proc/self/fd/{ARCHIVE_DESCRIPTOR}"

_SHELL = "/bin/sh"
# What `ulimit` calls a limit, and how many of the limit's units make one of its own (POSIX, dash(1)).
_ULIMITS = {"CPU": ("t", 1), "AS": ("v", 1024), "FSIZE": ("f", 512), "NOFILE": ("n", 1)}


def staged(
    build: Sequence[str],
    run: Sequence[str],
    rlimits: Mapping[str, tuple[int, int]],
    *,
    processes: int | None = None,
) -> list[str]:
    """Write a command line that builds, announces the start and becomes the program.

    Args:
        build: The compiler's command line; empty if there is nothing to build.
        run: The program's command line.
        rlimits: What the limits are lowered to after a build.
        processes: How many there may be with the shell. That then stays, as the first process of a process
            namespace has to, and says 128 + n if the program is ended by signal n. An exit code may be the
            same, so what tells them apart is that it names the signal at the stage. Of SIGINT and SIGPIPE
            no shell says anything: a program that they end is one with the exit code 130 or 141.
    """
    lines = []
    if build:
        lines += [
            f"{shlex.join(build)} >&2 {STAGE_DESCRIPTOR}>&- || exit",
            f"exec {ARCHIVE_DESCRIPTOR}<&-",
            *_lowered(rlimits),
        ]
    lines.append(f"echo >&{STAGE_DESCRIPTOR}")
    if processes is None:
        lines += [f"exec {STAGE_DESCRIPTOR}>&-", 'exec "$@"']
    else:
        lines += [f"ulimit -p {processes}", *_staying(f"{STAGE_DESCRIPTOR}>&-")]
    return [_SHELL, "-c", "\n".join(lines), "sh", *run]


def parked(run: Sequence[str]) -> list[str]:
    """Write the command line of a program that announces itself, and limits itself, when it has a job."""
    return [_SHELL, "-c", "\n".join(_staying()), "sh", *run]


def _staying(*redirections: str) -> list[str]:
    """Have the shell say at the stage what it has to say of a signal: it is no output of the program.

    What redirects a simple command redirects that word as well, so the program has a subshell of its own.
    """
    given = " ".join(["exec", "2>&4", "4>&-", *redirections])
    return [f"exec 4>&2 2>&{STAGE_DESCRIPTOR}", f'({given}; exec "$@")', "exit"]


def _lowered(rlimits: Mapping[str, tuple[int, int]]) -> list[str]:
    return [
        f"ulimit -{_ULIMITS[name][0]} {soft // _ULIMITS[name][1]}"
        for name, (soft, _) in rlimits.items()
        if name in _ULIMITS
    ]
