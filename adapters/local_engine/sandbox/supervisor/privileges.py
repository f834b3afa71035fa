"""The user, mounts and directory of the supervisor while it starts a program, which inherits them.

A fork of Python that becomes a program copies memory page by page, which takes longer than all that it does
before. posix_spawn(3) copies nothing. It knows nothing of users and mounts either.
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
# What is counted for each user, and the part up to which programs may have more; the service keeps the rest.
_LIMITS_OF_USER = (resource.RLIMIT_NPROC, resource.RLIMIT_SIGPENDING)
_PROGRAMS_PART = 0.75
_LOST = 1
# linux/capability.h: CHOWN, KILL, SETGID, SETUID, SYS_CHROOT (which setns takes for mounts) and SYS_ADMIN.
_CAPABILITIES = 1 << 0 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 18 | 1 << 21
ALL_USERS = 1 << 16
# The directories of a tmpfs, with the modes of a home directory and of /dev/shm elsewhere.
HOME_DIRECTORY = "box"
_DIRECTORIES = {HOME_DIRECTORY: 0o755, "shm": 0o1777}
# Where the machine runs out of memory, programs are the first to end (proc_pid_oom_score_adj(5)).
_OOM_SCORE = "/proc/self/oom_score_adj"
_PROGRAMS_OOM_SCORE = b"1000"


def has_privileges() -> bool:
    """Whether this process is root and may run each program as a user of its own.

    Root of a container may have neither the capabilities nor the user ids, and isolates as an ordinary user.
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
    """Mount a new /proc in this mount namespace if parts of the present one are covered.

    The kernel gives a user namespace a /proc of its own where it finds one that is not. Root may mount it
    whatever there is; for all others the kernel decides, and their sandboxes show it.
    """
    if any(line.split()[4].startswith("/proc/") for line in read("/proc/self/mountinfo").splitlines()):
        with suppress(OSError):
            mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV)


class PrivilegeSwitch:
    """Switches the supervisor to a program's privileges for a moment; there must be no second thread."""

    def __init__(self) -> None:
        self._home: int | None = None
        self._rootfs: Rootfs | None = None
        self._pool = BoxMountsPool()
        self._own_oom_score = read(_OOM_SCORE).encode()
        # Open all the time: there may be no descriptor left when the supervisor's own score has to return.
        self._oom_score = os.open(_OOM_SCORE, os.O_WRONLY | os.O_CLOEXEC)

    @contextmanager
    def of(self, request: SpawnRequest, user: int | None, mounts: BoxMounts | None) -> Iterator[int | None]:
        """Switch to a program's privileges for as long as the context lasts.

        Root keeps its effective user, which does not outlast an exec that resets it to the real one.

        Args:
            request: The program.
            user: The user and group id to become; None to stay the supervisor's.
            mounts: Its mounts; None for the supervisor's.

        Yields:
            The descriptor of its directory, if that is kept. It is the caller's, unless there is an error.

        Raises:
            OSError: The kernel refuses; the supervisor is as before.
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
        """Restore the supervisor's privileges; if that fails, exit, which ends every program."""
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
        """Return mounts for a program, once there is a way back to our own.

        Raises:
            OSError: They cannot be made; the supervisor is as it was before.
        """
        if self._home is None:
            if not has_privileges():
                own_namespaces(partial(_map_own_ids, os.getuid(), os.getgid()))
            self._home = os.open("/proc/self/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if rootfs != self._rootfs:
                # Later mounts of the machine would appear in it, for all programs to write to.
                unshare(CLONE_NEWNS)
                make_mounts_private()
                uncover_processes()
                self._pool.prepare(rootfs)
                self._rootfs = rootfs
            return self._pool.take(rootfs)
        finally:
            self._return(None)

    def give_back(self, mounts: BoxMounts) -> None:
        """Take mounts back whose last program is gone."""
        self._pool.give_back(mounts)


def limit(pids: Iterable[int], rlimits: Mapping[str, Sequence[int]], user: int | None) -> None:
    """Put limits in force for processes of a user: with its ids, which takes no capability.

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
    """Restore the supervisor's ids; if that fails, exit, which ends every program."""
    try:
        os.setresuid(_ROOT, _ROOT, _ROOT)
        os.setresgid(_ROOT, _ROOT, _ROOT)
    except OSError:
        os._exit(_LOST)


def _mount(tmpfs: Tmpfs, user: int | None) -> None:
    """Mount a file system of a fixed size with the directories of a sandbox, in our mount namespace."""
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
    """Leave the namespaces of the machine for our own, where an ordinary user may mount.

    The kernel holds all that is in a namespace to the limits of its maker, of what the user has in all.

    Args:
        map_ids: Puts user ids in the namespace of users, once that is there.
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
    """Set the most of some things that each user of our namespace may have (namespaces(7))."""
    for name, most in maxima.items():
        write(f"/proc/sys/user/{name}", str(most))
