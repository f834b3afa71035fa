"""The root filesystem of programs, as the command line with which bubblewrap makes it.

The root filesystem is in a directory. Around it is everything that bubblewrap needs to make sandboxes.
"""

import os
import stat
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from adapters.local_engine.sandbox.supervisor.protocol import BOX, NOTHING, VIEW, Rootfs
from application.errors import DependencyUnavailable
from domain.catalogue.text import text

# The only writable directory of a sandbox, and the place where it is mounted.
TEMPORARY = "/tmp"  # noqa: S108
TMPFS = f"{BOX}{TEMPORARY}"
HOME = f"{TEMPORARY}/box"
HOOKS = "/etc/hooks"
# The executable of a sandbox's first process. It is a copy that can be executed but not read, so that
# programs cannot access the memory of the process and keep the sandbox alive after the supervisor. Under this
# name, bash acts as a POSIX shell.
SHELL = "/etc/sh"
# The executable of each program's parent, a copy of the same kind.
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
# Files of /proc with information about the machine and its other users: the ones that container engines mask,
# and the kernel's command line, disks, and the locks of other processes.
MASKED = (
    *("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "timer_list"),
    *("timer_stats", "cmdline", "fs", "locks"),
)
# Information about the programs' user, which is hidden where programs share the service's user.
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
    """Describe the root filesystem.

    Args:
        bubblewrap: The path of bubblewrap.
        hidden: Directories to cover where programs would see them.
        reaper: The file that programs see as REAPER.
        views: Additional directories to show read-only, for the runtimes of this machine.
        has_own_users: Whether each program has its own user id and the supervisor runs as root.

    Raises:
        DependencyUnavailable: A hidden directory is a part of the root filesystem.
    """
    # On an overlay, the kernel reads an executable as the file's owner. Programs run as other users than
    # root.
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
    """Return the files of a new /proc to hide from programs, and the empty ones that cover them.

    Each mask is a mount, which adds 0.1 ms to every start, so empty directories are not masked.

    Args:
        has_own_users: Whether each program has its own user id.
        has_root_id: Whether programs run with root's user id, although without its capabilities. The owner of
            the files may read more of them than other users.
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
    """Yield the names of the files of /proc that not all users may read."""
    for path in Path("/proc").iterdir():
        if path.is_file() and not path.stat().st_mode & stat.S_IROTH:
            yield path.name


def fingerprint(views: Sequence[Path] = ()) -> str:
    """Return a fingerprint of the files that the root filesystem shows.

    An existing root filesystem keeps showing files that were replaced on the machine. A new or replaced entry
    changes the modification time of its directory.
    """
    # A view is a mount: changes inside are visible, but not another directory in its place.
    return " ".join(
        [*map(_state, (str(_ETC), _SOURCE_OF_SHELL)), *(f"{path} {_inode(path)}" for path in views)]
    )


def _state(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116 - called for every program
    except FileNotFoundError:
        return "none"
    return f"{status.st_ino}:{status.st_mtime_ns}"


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0


def _viewed(views: Sequence[Path]) -> Iterator[str]:
    """Show directories read-only, in parents that all users may traverse."""
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
    """Return the files of the table that exist on this machine and that all users may read."""
    with _TABLE.open("rb") as file:
        patterns = tomllib.load(file)["shown"]
    paths = sorted({path for pattern in patterns for path in _ETC.glob(pattern)})
    return [path for path in paths if path.exists() and path.stat().st_mode & stat.S_IROTH]


def _parents(paths: Iterable[Path]) -> Iterator[str]:
    """Make the parent directories, which bubblewrap would make accessible only to their owner."""
    for parent in sorted({parent for path in paths for parent in path.parents if _ETC in parent.parents}):
        yield from ("--perms", "0755", "--dir", f"{VIEW}{parent}")


def _mounted(paths: Iterable[Path]) -> Iterator[str]:
    """Show directories as mounts, and links as links, such as the time zone."""
    for path in paths:
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), f"{VIEW}{path}")
        else:
            yield from ("--ro-bind", str(path), f"{VIEW}{path}")


def _copied(places: Iterable[Path | str], first: int, mode: str) -> Iterator[str]:
    """Show files as copies, because a mount for each would slow down every sandbox."""
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
