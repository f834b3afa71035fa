"""The privilege switch: the supervisor takes on a program's user, mounts and directory while it starts it.

The program inherits them. A fork of Python would copy memory page by page, which takes longer than everything
else before the program. posix_spawn(3) copies nothing, but it cannot set users and mounts.
"""

import os
import resource
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from adapters.local_engine.sandbox.supervisor.box_mounts import BoxMounts, BoxMountsPool
from adapters.local_engine.sandbox.supervisor.kernel import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_NODEV,
    MS_NOSUID,
    make_mounts_private,
    mount,
    read,
    setns,
    unshare,
    write,
)
from adapters.local_engine.sandbox.supervisor.protocol import Rootfs, SpawnRequest, Tmpfs

_ROOT = 0
# Limits that the kernel counts per user, and the share of them for programs. The service keeps the rest.
_LIMITS_OF_USER = (resource.RLIMIT_NPROC, resource.RLIMIT_SIGPENDING)
_PROGRAMS_PART = 0.75
_LOST = 1
# linux/capability.h: CHOWN, KILL, SETGID, SETUID, SYS_CHROOT (which setns takes for mounts) and SYS_ADMIN.
_CAPABILITIES = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 18 | 1 << 21
ALL_USERS = 1 << 16
# The directories of a tmpfs, with the modes of a home directory and of /dev/shm elsewhere.
HOME_DIRECTORY = "box"
_DIRECTORIES = {HOME_DIRECTORY: 0o755, "shm": 0o1777}
# When the machine runs out of memory, programs are killed first (proc_pid_oom_score_adj(5)).
_OOM_SCORE = "/proc/self/oom_score_adj"
_PROGRAMS_OOM_SCORE = b"1000"


def has_privileges() -> bool:
    """Whether this process is root and may run each program as its own user.

    In a container, root may lack the capabilities or the user ids. Then it isolates programs like an ordinary
    user.
    """
    if os.geteuid() != _ROOT:
        return False
    status = dict(line.split(":", 1) for line in read("/proc/self/status").splitlines())
    users = sum(int(line.split()[2]) for line in read("/proc/self/uid_map").splitlines())
    return (
        int(status["CapEff"], 16) & _CAPABILITIES == _CAPABILITIES
        and read("/proc/self/setgroups").strip() == "allow"
        and users >= ALL_USERS
    )


def uncover_processes() -> None:
    """Mount a new /proc in this mount namespace if parts of the current one are covered.

    The kernel allows a user namespace its own /proc only if an uncovered one is mounted. Root may mount a new
    /proc in any case. For all others, the kernel decides, and the start of their sandboxes may fail.
    """
    if any(line.split()[4].startswith("/proc/") for line in read("/proc/self/mountinfo").splitlines()):
        with suppress(OSError):
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)


class PrivilegeSwitch:
    """Switches the supervisor to a program's privileges and back. The process must have a single thread."""

    def __init__(self) -> None:
        self._home: int | None = None
        self._rootfs: Rootfs | None = None
        self._pool = BoxMountsPool()
        self._own_oom_score = read(_OOM_SCORE).encode()
        # Kept open, because there may be no descriptor left when the supervisor's own score is restored.
        self._oom_score = os.open(_OOM_SCORE, os.O_WRONLY | os.O_CLOEXEC)

    @contextmanager
    def of(self, request: SpawnRequest, user: int | None, mounts: BoxMounts | None) -> Iterator[int | None]:
        """Switch to a program's privileges while the context lasts.

        Root keeps its effective user id, which the program's exec resets to the real one.

        Args:
            request: The program.
            user: The user and group id to switch to; None for the supervisor's.
            mounts: The mounts of the program; None for the supervisor's.

        Yields:
            The descriptor of the program's directory, if that is kept. The caller closes it, unless there is
            an error.

        Raises:
            OSError: The kernel refuses; the supervisor is unchanged.
        """
        directory = None
        try:
            os.chdir(request.directory)
            os.pwrite(self._oom_score, _PROGRAMS_OOM_SCORE, 0)
            if mounts is not None:
                setns(mounts.namespace, CLONE_NEWNS)
                unshare(CLONE_NEWNS)
            if request.tmpfs is not None:
                _mount(request.tmpfs, user)
            if request.keeps_directory:
                home = "." if request.tmpfs is None else f"{request.tmpfs.directory}/{HOME_DIRECTORY}"
                directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            if user is not None:
                os.setresgid(user, _ROOT, _ROOT)
                os.setresuid(user, _ROOT, _ROOT)
            yield directory
        except BaseException:
            if directory is not None:
                os.close(directory)
            raise
        finally:
            self._return(user)

    def _return(self, user: int | None) -> None:
        """Restore the supervisor's privileges. If that fails, exit, which ends every program."""
        try:
            if user is not None:
                _be_root()
            if self._home is not None:
                setns(self._home, CLONE_NEWNS)
            os.chdir("/")
            os.pwrite(self._oom_score, self._own_oom_score, 0)
        except OSError:
            os._exit(_LOST)

    def take_mounts(self, rootfs: Rootfs) -> BoxMounts:
        """Return mounts for a program, after opening the supervisor's own namespace to return to.

        Raises:
            OSError: The mounts cannot be made; the supervisor is unchanged.
        """
        if self._home is None:
            if not has_privileges():
                own_namespaces(partial(_map_own_ids, os.getuid(), os.getgid()))
            self._home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if rootfs != self._rootfs:
                # Without this, later mounts of the machine would appear in it, writable for all programs.
                unshare(CLONE_NEWNS)
                make_mounts_private()
                uncover_processes()
                self._pool.prepare(rootfs)
                self._rootfs = rootfs
            return self._pool.take(rootfs)
        finally:
            self._return(None)

    def release(self, mounts: BoxMounts) -> None:
        """Take back mounts after their program has ended."""
        self._pool.release(mounts)


def limit(pids: Iterable[int], rlimits: Mapping[str, Sequence[int]], user: int | None) -> None:
    """Set the limits of a user's processes, with the ids of that user, which requires no capability.

    Raises:
        OSError: The kernel refuses, or a process has ended.
    """
    try:
        if user is not None:
            os.setresgid(user, _ROOT, _ROOT)
            os.setresuid(user, _ROOT, _ROOT)
        for pid in pids:
            for name, (soft, hard) in rlimits.items():
                resource.prlimit(pid, getattr(resource, f"RLIMIT_{name}"), (soft, hard))
    finally:
        if user is not None:
            _be_root()


def _be_root() -> None:
    """Restore the supervisor's ids. If that fails, exit, which ends every program."""
    try:
        os.setresuid(_ROOT, _ROOT, _ROOT)
        os.setresgid(_ROOT, _ROOT, _ROOT)
    except OSError:
        os._exit(_LOST)


def _mount(tmpfs: Tmpfs, user: int | None) -> None:
    """Mount a tmpfs of fixed size with the directories of a sandbox, in our mount namespace."""
    owner, group = (os.getuid(), os.getgid()) if user is None else (user, user)
    options = (
        f"size={tmpfs.size_mb}m,nr_inodes={tmpfs.files + len(_DIRECTORIES) + 1},mode=1777,"
        f"uid={owner},gid={group}"
    )
    mount("tmpfs", tmpfs.directory, "tmpfs", MS_NOSUID | MS_NODEV, options)
    for name, mode in _DIRECTORIES.items():
        directory = f"{tmpfs.directory}/{name}"
        os.mkdir(directory)
        os.chmod(directory, mode)
        os.chown(directory, owner, group)


def own_namespaces(map_ids: Callable[[], None]) -> None:
    """Move to new user and mount namespaces, where an ordinary user may mount.

    The kernel holds all processes in the namespace together to the limits of its maker.

    Args:
        map_ids: Maps user ids in the new user namespace.
    """
    for limit_of_user in _LIMITS_OF_USER:
        soft, hard = resource.getrlimit(limit_of_user)
        if soft != resource.RLIM_INFINITY:
            resource.setrlimit(limit_of_user, (int(soft * _PROGRAMS_PART), hard))
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    map_ids()


def _map_own_ids(user: int, group: int) -> None:
    for name, text in {
        "setgroups": "deny",
        "uid_map": f"{user} {user} 1",
        "gid_map": f"{group} {group} 1",
    }.items():
        write(f"/proc/self/{name}", text)


def lower_maxima(maxima: Mapping[str, int]) -> None:
    """Set the quotas of each user in our namespace (namespaces(7))."""
    for name, most in maxima.items():
        write(f"/proc/sys/user/{name}", str(most))
