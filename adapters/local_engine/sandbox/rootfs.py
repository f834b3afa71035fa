"""The root file system of programs, as the command line by which bubblewrap puts it together.

It stands in a directory of its own. Around that is all that bubblewrap needs to make sandboxes there.
"""

import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from adapters.local_engine.sandbox.supervisor.protocol import BOX, NOTHING, VIEW, Rootfs
from application.errors import DependencyUnavailable
from domain.catalogue.text import text

# The sandbox's own directory for everything that can be written to, and where that is mounted.
TEMPORARY = "/tmp"  # noqa: S108
TMPFS = f"{BOX}{TEMPORARY}"
HOME = f"{TEMPORARY}/box"
HOOKS = "/etc/hooks"
# Of the first process of each sandbox. It is a copy that can be run and not read, which keeps programs from
# its memory: one that writes there has the sandbox outlive its supervisor. So named, bash is a plain shell.
SHELL = "/etc/sh"
# The same of the parent of each program.
REAPER = "/etc/reaper"

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_ETC = Path("/etc")
_TABLE = Path(__file__).with_name("etc.toml")
_MADE = Path(__file__).with_name("etc")
# The hooks that interpreters load at their start, for programs that are not isolated.
HOOKS_ON_MACHINE = str(_MADE / "hooks")
_DEVICES = ("null", "zero", "full", "random", "urandom")  # and no terminals
_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
    "/dev/shm": f"{TEMPORARY}/shm",  # noqa: S108 - the sandbox's own
}
# Files of /proc that are about the machine and about others on it: the ones that container engines mask, and
# the machine's command line, its disks, and locks, which show where others have them.
MASKED = (
    *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"),
    *("timer_stats", "cmdline", "fs", "locks"),
)
# About the programs' own user, which is the service's where each program has none of its own.
MASKED_OF_SHARED_USER = ("key-users",)
_EMPTY = "/empty"
_SOURCE_OF_SHELL = "/bin/sh"
_FIRST_FILE = 3
_WAITS = ("/bin/sh", "-c", "echo $$; exec sleep 60")


def rootfs(
    bubblewrap: str,
    hidden: Sequence[Path],
    reaper: Path | None = None,
    views: Sequence[Path] = (),
    *,
    has_own_users: bool,
) -> Rootfs:
    """Describe the root file system.

    Args:
        bubblewrap: Its path.
        hidden: Directories that are covered where they would be seen.
        reaper: The file that is seen as REAPER.
        views: More directories that are seen, read-only: of the runtimes of this machine.
        has_own_users: Whether each program has a user id of its own, and the supervisor that of root.

    Raises:
        DependencyUnavailable: A hidden directory is a part of it.
    """
    # With an overlay, the kernel reads a file that is run as its owner. Programs have other users than root.
    user, run_mode = ((), "0511") if has_own_users else (("--unshare-user",), "0111")
    around = (*_system(""), "--dev-bind", "/proc", "/proc", *_places())
    shown = _shown()
    files = [path for path in shown if path.is_file() and not path.is_symlink()]
    mounted = [path for path in shown if path not in files]
    made = [path for path in sorted(_MADE.rglob("*")) if path.is_file() and path.parent.name != "__pycache__"]
    copies = {_ETC / path.relative_to(_MADE): path for path in made} | {path: path for path in files}
    etc = (*_parents([*copies, *mounted]), *_mounted(mounted), *_copied(copies, _FIRST_FILE, "0644"))
    seen = (*_system(VIEW), *_devices(), *etc, *_viewed(views), *_hide(hidden, shown))
    run = {SHELL: _SOURCE_OF_SHELL} | ({} if reaper is None else {REAPER: str(reaper)})
    runnable = _copied(run, _FIRST_FILE + len(copies), run_mode)
    files_read = (*map(str, copies.values()), *run.values(), os.devnull)
    empty = ("--file", str(_FIRST_FILE + len(files_read) - 1), _EMPTY)
    closed = ("--remount-ro", "/", "--die-with-parent", "--", *_WAITS)
    argv = (bubblewrap, *user, *around, *_made(), *seen, *runnable, *empty, *closed)
    return Rootfs(argv=argv, files=files_read, fingerprint=fingerprint(views))


def proc_masks(*, has_own_users: bool, has_root_id: bool) -> tuple[tuple[str, str], ...]:
    """Return the files of a new /proc that programs could read, and the empty ones that cover them.

    Each is a mount, which takes a start 0.1 ms, so there is none for a directory without files.

    Args:
        has_own_users: Whether each program has a user id of its own.
        has_root_id: Whether programs have root's user id, if without its capabilities: that of the owner, who
            may read more.
    """
    masks = []
    names = set(MASKED if has_own_users else (*MASKED, *MASKED_OF_SHARED_USER))
    names |= set(_files_of_root()) if has_root_id else set()
    for path in (Path("/proc", name) for name in sorted(names)):
        if not path.exists() or not (has_root_id or path.stat().st_mode & stat.S_IROTH):
            continue
        if not path.is_dir():
            masks.append((str(path), _EMPTY))
        elif any(path.iterdir()):
            masks.append((str(path), NOTHING))
    return tuple(masks)


def _files_of_root() -> Iterator[str]:
    """Yield the names of the files of /proc that not everybody may read."""
    for path in Path("/proc").iterdir():
        if path.is_file() and not path.stat().st_mode & stat.S_IROTH:
            yield path.name


def fingerprint(views: Sequence[Path] = ()) -> str:
    """Return a fingerprint of the files that it shows: one that was made keeps showing replaced files.

    A new or replaced entry of a directory changes the directory's own time.
    """
    # A view is a mount, in which changes are seen; another directory in its place is not.
    return " ".join(
        [*map(_state, (str(_ETC), _SOURCE_OF_SHELL)), *(f"{path} {_inode(path)}" for path in views)]
    )


def _state(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - asked for every program
    except FileNotFoundError:
        return "none"
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _viewed(views: Sequence[Path]) -> Iterator[str]:
    """Show directories read-only, in parents that all may pass."""
    shown = [path for path in views if path.is_dir()]
    for parent in sorted({parent for path in shown for parent in path.parents} - {Path("/")}):
        yield from ("--perms", "0755", "--dir", f"{VIEW}{parent}")
    for path in shown:
        yield from ("--ro-bind", str(path), f"{VIEW}{path}")


def _places() -> Iterator[str]:
    for path in ("/tmp", NOTHING, BOX):  # noqa: S108 - in the root file system
        yield from ("--dir", path)


def _made() -> Iterator[str]:
    for path in ("", "/dev", "/etc", "/proc", TEMPORARY):
        yield from ("--dir", f"{VIEW}{path}")


def _system(place: str) -> Iterator[str]:
    for path in map(Path, _SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), f"{place}{path}")
        elif path.exists():
            yield from ("--ro-bind", str(path), f"{place}{path}")


def _shown() -> Sequence[Path]:
    """Return the files of the table that this machine has and everybody may read."""
    with _TABLE.open("rb") as file:
        patterns = tomllib.load(file)["shown"]
    paths = sorted({path for pattern in patterns for path in _ETC.glob(pattern)})
    return [path for path in paths if path.exists() and path.stat().st_mode & stat.S_IROTH]


def _parents(paths: Iterable[Path]) -> Iterator[str]:
    """Make the directories of paths, which bubblewrap would make for their owner only."""
    for parent in sorted({parent for path in paths for parent in path.parents if _ETC in parent.parents}):
        yield from ("--perms", "0755", "--dir", f"{VIEW}{parent}")


def _mounted(paths: Iterable[Path]) -> Iterator[str]:
    """Show directories as they are, and links as links: the time zone is one."""
    for path in paths:
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), f"{VIEW}{path}")
        else:
            yield from ("--ro-bind", str(path), f"{VIEW}{path}")


def _copied(places: Iterable[Path | str], first: int, mode: str) -> Iterator[str]:
    """Show files as copies: a mount for each would slow down every sandbox."""
    for descriptor, place in enumerate(places, first):
        yield from ("--perms", mode, "--file", str(descriptor), f"{VIEW}{place}")


def _devices() -> Iterator[str]:
    for name in _DEVICES:
        yield from ("--dev-bind", f"/dev/{name}", f"{VIEW}/dev/{name}")
    for link, target in _LINKS.items():
        yield from ("--symlink", target, f"{VIEW}{link}")


def _hide(directories: Sequence[Path], others: Sequence[Path]) -> Iterator[str]:
    shown = {path.resolve() for path in (*map(Path, _SYSTEM), *others)}
    hidden = {directory.resolve() for directory in directories}
    for directory in hidden:
        if directory in shown:
            raise DependencyUnavailable("engine", text("engine.must_be_seen", directory=str(directory)))
        if not shown.isdisjoint(directory.parents) and hidden.isdisjoint(directory.parents):
            yield from ("--perms", "0000", "--size", "4096", "--tmpfs", f"{VIEW}{directory}")
            yield from ("--remount-ro", f"{VIEW}{directory}")
