"""What programs see of this machine, as the command line by which bubblewrap puts that together.

It stands in a directory of its own. What is around that is what bubblewrap needs to make boxes there.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.local_engine.supervisor.protocol import View
from application.errors import DependencyUnavailable

VIEW = "/view"
# The box's own directory for everything that can be written to, and where that is mounted.
TEMPORARY = "/tmp"  # noqa: S108
SCRATCH = f"{VIEW}{TEMPORARY}"
HOME = f"{TEMPORARY}/box"
USER = 1000
# Of the first process of each box. It is a copy that can be run and not read, which keeps programs from that
# process's memory: what writes to it has the box outlive its supervisor. By its name, bash is a plain shell.
SHELL = "/etc/sh"

_PASSWD = f"box:x:{USER}:{USER}::{HOME}:/bin/sh\n"
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = ("/etc/ld.so.cache", "/etc/alternatives")
_DEVICES = ("null", "zero", "random", "urandom")  # and no terminals
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/shm": f"{TEMPORARY}/shm",  # noqa: S108 - the box's own
}
_SOURCE_OF_SHELL = "/bin/sh"
_FIRST_FILE = 3
_WAITS = ("/bin/sh", "-c", "echo $$; exec sleep 60")


def view(bubblewrap: str, hidden: Sequence[Path], patterns: Sequence[str]) -> View:
    """Write down a view.

    Args:
        bubblewrap: Its path.
        hidden: Directories that are covered where they would be seen.
        patterns: Of what is seen beside the system's libraries.

    Raises:
        DependencyUnavailable: A hidden directory is what the view is made of.
    """
    user = () if os.geteuid() == 0 else ("--unshare-user",)
    around = (*_system(""), "--dev-bind", "/proc", "/proc", "--dir", "/tmp")  # noqa: S108 - in the view
    seen = (*_system(VIEW), *_hide(hidden), *_devices(), *_etc(patterns))
    passwd = ("--perms", "0644", "--file", "0", f"{VIEW}/etc/passwd")
    shell = ("--perms", "0111", "--file", str(_FIRST_FILE), f"{VIEW}{SHELL}")
    closed = ("--remount-ro", "/", "--die-with-parent", "--", *_WAITS)
    argv = (bubblewrap, *user, *around, *_made(), *seen, *passwd, *shell, *closed)
    return View(argv=argv, stdin=_PASSWD, files=(_SOURCE_OF_SHELL,), edition=edition())


def edition() -> str:
    """Tell the files that a view shows from those that replace them: it would go on with the old ones."""
    return " ".join(map(_state, map(Path, (*_ETC, _SOURCE_OF_SHELL))))


def _state(path: Path) -> str:
    try:
        status = path.stat()
    except FileNotFoundError:
        return "none"
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _made() -> Iterator[str]:
    for path in ("", "/dev", "/etc", "/proc", TEMPORARY):
        yield from ("--dir", f"{VIEW}{path}")


def _system(place: str) -> Iterator[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), f"{place}{path}")
        elif path.exists():
            yield from ("--ro-bind", str(path), f"{place}{path}")


def _etc(patterns: Sequence[str]) -> Iterator[str]:
    for pattern in (*_ETC, *patterns):
        for path in Path("/").glob(pattern.lstrip("/")):
            yield from ("--ro-bind", str(path), f"{VIEW}{path}")


def _devices() -> Iterator[str]:
    for name in _DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"{VIEW}/dev/{name}")
    for link, target in _LINKS.items():
        yield from ("--symlink", target, f"{VIEW}{link}")


def _hide(directories: Sequence[Path]) -> Iterator[str]:
    shown = {Path(name).resolve() for name in (*_SYSTEM, *_ETC)}
    hidden = {directory.resolve() for directory in directories}
    for directory in hidden:
        if directory in shown:
            raise DependencyUnavailable(
                "engine",
                f"programs have to see {directory}, so this service, its data (SERVICE_SERVER_DATA_DIR) and "
                "its .env must be elsewhere",
            )
        if not shown.isdisjoint(directory.parents) and hidden.isdisjoint(directory.parents):
            yield from ("--perms", "0000", "--size", "4096", "--tmpfs", f"{VIEW}{directory}")
            yield from ("--remount-ro", f"{VIEW}{directory}")
